"""Exported programs to .tflite files.

Run as `python -m groupvit_export.targets.litert.convert FOLDER`, it converts what `convert` left there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.export import ExportedProgram

from groupvit_export.targets.litert.child import run_child
from groupvit_runtime.system_errors import keeping_system_errors
from groupvit_runtime.temporary import scratch_folder

_PLAN, _MODEL = "signatures.json", "model.tflite"


@dataclass(frozen=True, eq=False)
class Signature:
    """An entry point of a file.

    Attributes:
        name: "serving_default".
        program: what it computes; its outputs have names.
        inputs: names, in the order of the program's.
    """

    name: str
    program: ExportedProgram
    inputs: Sequence[str]


def convert(signatures: Sequence[Signature], *, keep_64_bits: bool) -> bytes:
    """Convert programs into one file.

    Args:
        signatures: its entry points.
        keep_64_bits: whether inputs and outputs that are int64 stay so.

    Raises:
        ExportError: the converter refuses a program.
        OSError: the system refuses it files or space.
    """
    with scratch_folder("litert") as folder:
        with keeping_system_errors(folder):
            for number, signature in enumerate(signatures):
                torch.export.save(signature.program, folder / f"{number}.pt2")
        plan = {
            "keep_64_bits": keep_64_bits,
            "signatures": {signature.name: list(signature.inputs) for signature in signatures},
        }
        (folder / _PLAN).write_text(json.dumps(plan))
        run_child(__name__, folder, "LiteRT's converter cannot convert the model")
        return (folder / _MODEL).read_bytes()


def main(folder: Path) -> None:
    """Convert the programs that `convert` wrote into `folder`."""
    import litert_torch

    plan = json.loads((folder / _PLAN).read_text())
    converter = litert_torch.Converter()
    for number, (name, inputs) in enumerate(plan["signatures"].items()):
        program = torch.export.load(folder / f"{number}.pt2")
        examples, _ = program.example_inputs or ((), {})
        converter.signature(name, _ByName(program, inputs), (), dict(zip(inputs, examples, strict=True)))
    model = converter.convert(enable_x64=plan["keep_64_bits"])
    model.export(str(folder / _MODEL))


class _ByName(torch.nn.Module):
    """A program that takes its inputs by name: the file has these names."""

    def __init__(self, program: ExportedProgram, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = program.module(), names
        # As it was captured; an exported program's module cannot be told.
        self.training = False

    def forward(self, **inputs: torch.Tensor) -> Mapping[str, torch.Tensor]:
        found: Mapping[str, torch.Tensor] = self.module(*(inputs[name] for name in self.names))
        return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
