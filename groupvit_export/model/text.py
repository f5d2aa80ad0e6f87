"""The text tower: a causal transformer whose caption vector is the row of its end-of-text token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groupvit_export.model.config import GroupViTTextConfig
from groupvit_export.model.initialization import initialize_tower
from groupvit_export.model.layers import EncoderLayer
from groupvit_export.model.outputs import TextOutput

__all__ = ["GroupViTTextModel", "TextEmbeddings", "TextEncoder", "TextTransformer"]


class TextEmbeddings(nn.Module):
    """Token plus position embeddings."""

    def __init__(self, config: GroupViTTextConfig) -> None:
        super().__init__()
        self.max_length = config.max_position_embeddings
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
        """``[B, L]`` ids to ``[B, L, C]``.

        Raises:
            ValueError: ids that are not ``[batch, length]``, or longer than the positions.
        """
        if input_ids.ndim != 2:
            raise ValueError(f"input_ids has shape {list(input_ids.shape)}, expected [batch, length]")
        length = input_ids.shape[1]
        if length > self.max_length:
            raise ValueError(
                f"input_ids are {length} tokens long, expected at most {self.max_length}: "
                "truncate the captions"
            )
        if position_ids is None:
            position_ids = torch.arange(length, device=input_ids.device).unsqueeze(0)
        out: Tensor = self.token_embedding(input_ids) + self.position_embedding(position_ids)
        return out


class TextEncoder(nn.Module):
    """Holds the layers; :class:`TextTransformer` runs them, so that one forward shows everything."""

    def __init__(self, config: GroupViTTextConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))


class TextTransformer(nn.Module):
    """The text tower, as it sits in :class:`groupvit_export.model.GroupViTModel`."""

    def __init__(self, config: GroupViTTextConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = TextEmbeddings(config)
        self.encoder = TextEncoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        initialize_tower(self, config)

    def pool_positions(self, input_ids: Tensor) -> Tensor:
        """Where each caption of ``[B, L]`` is pooled: ``[B]`` int64.

        With ``eos_token_id`` 2, which old files carry wrongly, the first position of the highest id;
        otherwise the first position of ``eos_token_id``, or 0 where it does not occur.
        """
        # int32, because ArgMax of int64 is missing from several ONNX engines.
        if self.config.pools_highest_id:
            return input_ids.to(torch.int32).argmax(dim=-1)
        return (input_ids == self.config.eos_token_id).to(torch.int32).argmax(dim=-1)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        *,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> TextOutput:
        """Encode captions.

        Args:
            input_ids: ``[B, L]`` integers, L at most ``max_position_embeddings``.
            attention_mask: ``[B, L]``; zero (or False) hides a token as a key. Pooling does not look
                at it.
            position_ids: ``[B, L]`` or ``[1, L]`` integers; counted from 0 where absent.
            output_attentions: return every layer's probabilities.
            output_hidden_states: return the embeddings and every layer's output.

        Raises:
            ValueError: ids or a mask of a shape that cannot be used.
        """
        x = self.embeddings(input_ids, position_ids)
        mask = causal_mask(input_ids, attention_mask, x.dtype)
        states = [x]
        attentions: list[Tensor] = []
        for layer in self.encoder.layers:
            x, probabilities = layer(x, mask)
            states.append(x)
            attentions.append(probabilities)
        tokens = self.final_layer_norm(x)
        rows = torch.arange(tokens.shape[0], device=tokens.device)
        return TextOutput(
            last_hidden_state=tokens,
            pooler_output=tokens[rows, self.pool_positions(input_ids)],
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None,
        )


class GroupViTTextModel(nn.Module):
    """The text tower alone, with the ``text_model.`` prefix of transformers' class of this name."""

    def __init__(self, config: GroupViTTextConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> TextOutput:
        """As :meth:`TextTransformer.forward`."""
        out: TextOutput = self.text_model(
            input_ids,
            attention_mask,
            position_ids,
            output_attentions=bool(output_attentions),
            output_hidden_states=bool(output_hidden_states),
        )
        return out


def causal_mask(input_ids: Tensor, attention_mask: Tensor | None, dtype: torch.dtype) -> Tensor:
    """What is added to attention scores, ``[1 or B, 1, L, L]``: 0 where a token may look.

    Elsewhere it is the lowest finite number and not minus infinity, so that a row with nothing to
    look at (left padding) becomes uniform, as in transformers, and not NaN.

    Raises:
        ValueError: ``attention_mask`` of another shape than ``input_ids``.
    """
    length = input_ids.shape[1]
    steps = torch.arange(length, device=input_ids.device)
    allowed = (steps.unsqueeze(0) <= steps.unsqueeze(1)).unsqueeze(0).unsqueeze(0)
    if attention_mask is not None:
        if attention_mask.shape != input_ids.shape:
            raise ValueError(
                f"attention_mask has shape {list(attention_mask.shape)}, "
                f"expected that of input_ids, {list(input_ids.shape)}"
            )
        allowed = allowed & attention_mask.bool()[:, None, None, :]
    zero = torch.zeros((), dtype=dtype, device=input_ids.device)
    return torch.where(allowed, zero, torch.finfo(dtype).min)
