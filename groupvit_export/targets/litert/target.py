"""Target `litert`: what it offers; imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from groupvit_export.errors import MissingDependencyError, UsageError
from groupvit_export.targets.base import BuildRequest, BuiltEngine, Furnishing, Target
from groupvit_export.targets.inspection import Missing
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_export.targets.requirements import TargetState, is_there, state_on_cpu
from groupvit_runtime.manifest import EngineInfo

if TYPE_CHECKING:
    import onnx

CONVERTER: Final = "litert_torch"

_FIX: Final = (
    "make litert in a clone of groupvit-export, then the same command by .venv-litert/bin/groupvit; "
    "docs/litert.md has the same for pip"
)
"""Its pins leave no version that constraints.txt has of a package that the commands are made of."""


class LiteRTTarget(Target[LiteRTOptions]):
    """LiteRT's flatbuffers, an encoder each."""

    def check(self, options: LiteRTOptions) -> None:
        if options.batch < 1:
            raise UsageError("a batch has at least one image", got=options.batch, expected="1 or more")
        if options.sentences < 0:
            raise UsageError(
                "a number of sentences is not negative", got=options.sentences, expected="0 or more"
            )

    def require(self) -> None:
        super().require()
        if not is_there(CONVERTER):
            raise MissingDependencyError(
                "the target litert needs LiteRT's converter for PyTorch, which is not installed",
                got=f"missing: {CONVERTER}",
                expected="litert-torch, in an environment of its own: its pins are others than ours",
                fix=_FIX,
            )

    def build(
        self, model: onnx.ModelProto, folder: Path, request: BuildRequest[LiteRTOptions]
    ) -> BuiltEngine:
        from groupvit_export.targets.litert.engine import build

        return build(model, folder, request)

    def furnish(self, folder: Path, of: Furnishing[LiteRTOptions]) -> None:
        if of.options.sentences == 0:
            return
        from groupvit_export.targets.litert.signatures import write_model

        images, sentences = of.options.batch, of.options.sentences
        write_model(folder, of.model, of.image_size, of.precision, images=images, sentences=sentences)

    def cut_op(self, info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
        from groupvit_export.targets.litert.cut import cut_op

        return cut_op(info, root, stage, folder)

    def requirements(self) -> tuple[TargetState, ...]:
        state = state_on_cpu(self.name)
        if is_there(CONVERTER):
            return (state,)
        return (replace(state, export=False, fix="; ".join(filter(None, (state.fix, f"to export: {_FIX}")))),)


TARGET: Final = LiteRTTarget(
    name="litert",
    summary="LiteRT (TensorFlow Lite), executed by its interpreter on CPU, also on Android and iOS",
    precisions=("fp32", "w16", "int8"),
    # The graph says which layers: products of two activations are none of them. LiteRT's bytes have 8 bits.
    weight_bits=7,
    own_quantization="AI Edge Quantizer: weights in int8 per channel; activations are quantized as they come",
    by_rule=("fp32",),
    Options=LiteRTOptions,
    no_decode_in_graph="its shapes are fixed, and the size of a label map is chosen when the engine runs",
    no_mark_values="its values have no names that another graph has",
)
