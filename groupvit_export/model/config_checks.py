"""What a value of a configuration may be: checks that name the field, what was found and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, Protocol

from groupvit_export.errors import CheckpointError

ACTIVATIONS: Final = ("gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish")
"""Names of activation functions that the reference model implements, as Hugging Face spells them."""

# Far above every published model, and low enough that what is computed of them fits 64 bits: a model is laid
# out by these numbers before any weight is compared with it.
WIDEST: Final = 1 << 20
MOST_WORDS: Final = 1 << 24
MOST_LAYERS: Final = 1 << 10
LARGEST_SIDE: Final = 1 << 16
LARGEST_PATCH: Final = 1 << 10


class Tower(Protocol):
    """The fields that both towers have, and that are checked against each other."""

    @property
    def hidden_size(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def hidden_act(self) -> str: ...


def refuse(owner: object, name: str, got: object, expected: str) -> CheckpointError:
    return CheckpointError(
        f"{type(owner).__name__}.{name} has a value that no GroupViT can have.",
        got=repr(got),
        expected=expected,
        fix=f"correct `{name}` in config.json, or pass the config.json that belongs to these weights",
    )


def is_int(value: object) -> bool:
    # bool is an int to Python, and `"hidden_size": true` is a mistake, not a width of one.
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    return is_int(value) or isinstance(value, float)


def check_int(owner: object, *names: str, at_least: int = 1, at_most: int = WIDEST) -> None:
    for name in names:
        value = getattr(owner, name)
        if not is_int(value) or value < at_least:
            raise refuse(owner, name, value, f"an integer of at least {at_least}")
        if value > at_most:
            raise refuse(owner, name, value, f"at most {at_most:,}")


def check_float(owner: object, *names: str, below: float | None = None) -> None:
    """Numbers that are finite and not negative (and below ``below``); integers become floats."""
    limit = float("inf") if below is None else below
    for name in names:
        value = getattr(owner, name)
        if not is_number(value) or not 0 <= value < limit:
            raise refuse(owner, name, value, f"a number in [0, {limit})")
        object.__setattr__(owner, name, float(value))


def check_int_tuple(owner: object, *names: str, at_least: int, at_most: int) -> None:
    """Lists, of which none is longer than a model has layers."""
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, (list, tuple)) or not all(is_int(v) and v >= at_least for v in value):
            raise refuse(owner, name, value, f"a list of integers of at least {at_least}, one a stage")
        if len(value) > MOST_LAYERS or sum(value) > at_most:
            raise refuse(
                owner,
                name,
                f"{len(value):,} stages, together {sum(value):,}",
                f"together at most {at_most:,}",
            )
        object.__setattr__(owner, name, tuple(value))


def check_heads(owner: Tower) -> None:
    if owner.hidden_size % owner.num_attention_heads:
        raise refuse(
            owner,
            "num_attention_heads",
            owner.num_attention_heads,
            f"a divisor of hidden_size {owner.hidden_size}",
        )


def check_activation(owner: Tower) -> None:
    if owner.hidden_act not in ACTIVATIONS:
        raise refuse(owner, "hidden_act", owner.hidden_act, f"one of {', '.join(ACTIVATIONS)}")


def known_fields(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    # Hugging Face files carry dozens of bookkeeping keys that differ by version (`transformers_version`,
    # `dtype`, `architectures`, `id2label`, ...); none of them changes what the model computes.
    names = {f.name for f in fields(cls)}
    return {key: value for key, value in values.items() if key in names}


def require_mapping(values: object, what: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise CheckpointError(
            f"{what} is not a table of settings.",
            got=type(values).__name__,
            expected="a JSON object",
            fix="pass the config.json that was published with the weights",
        )
    return values


def require_model_type(values: Mapping[str, Any], expected: str) -> None:
    got = values.get("model_type", expected)
    if got != expected:
        raise CheckpointError(
            f"The configuration is of another model: model_type is {got!r}.",
            got=f"model_type {got!r}",
            expected=f"model_type {expected!r}",
            fix="point at a GroupViT checkpoint, for example nvidia/groupvit-gcc-yfcc",
        )
