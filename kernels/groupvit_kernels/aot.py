"""The Triton kernels compiled ahead of time, on a machine without a GPU.

    python -m groupvit_kernels.aot -o FOLDER [--arch 8.0 ...] [--dtype fp16 ...] [--groups 64 ...]

writes a cubin for each kernel, dtype, number of groups and GPU, one PTX of 8.0 for GPUs to come, and
`kernels.json` with what a launch needs: name of the function, threads, shared memory, tile sizes, parameters
in order, registers and spills. Pointers are taken to be aligned to 16 bytes, or nothing is loaded as a
vector.

PTX of 9.0 and newer is bound to its GPU (`sm_90a`) and does not run on later ones; hence that of 8.0.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from groupvit_kernels.grouping_attention_variants import DTYPES, Variant, choose_variant

ARCHES: Final = ("8.0", "8.6", "8.9", "9.0", "10.0", "12.0")
GROUPS: Final = (8, 64)
"""Of the published models' two stages."""

_LENGTHS: Final = {8: 64, 64: 196}
_CHANNELS: Final = 384
_PTX_ARCH: Final = "8.0"
_WARP: Final = 32

_TENSORS: Final = {
    "assign": ("query", "tokens", "bias", "soft", "index"),
    "group_mean": ("tokens", "index", "means", "count"),
    "fused": ("query", "tokens", "bias", "means", "soft", "index", "count"),
}
_KERNELS: Final = {"two_pass": ("assign", "group_mean"), "fused": ("fused",)}
_POINTERS: Final = {"fp32": "*fp32", "fp16": "*fp16", "bf16": "*bf16"}
_HIDDEN_POINTERS: Final = 2
"""Triton's own scratch memory, at the end of the parameters; null is right where none is used."""


@dataclass(frozen=True)
class CompiledKernel:
    """What a launch needs to know.

    Attributes:
        kernel: name of the function in the file.
        file, sha256: of the cubin or PTX.
        arch: compute capability that it is for; "8.0 and newer" for PTX.
        dtype: of query, tokens and bias.
        groups, block_n, block_c: sizes of a tile; `groups` is the most that the kernel takes.
        threads: of a block.
        shared_bytes: of dynamic shared memory.
        parameters: (name, type) in order; hidden pointers at the end are null.
        registers, spill_bytes: of a thread.
    """

    kernel: str
    file: str
    sha256: str
    arch: str
    dtype: str
    groups: int
    block_n: int
    block_c: int
    threads: int
    shared_bytes: int
    parameters: tuple[tuple[str, str], ...]
    registers: int
    spill_bytes: int


def compile_all(
    folder: Path, arches: Sequence[str], dtypes: Sequence[str], groups: Sequence[int]
) -> tuple[CompiledKernel, ...]:
    """Compile and write everything.

    Args:
        folder: made where it is missing.
        arches: of `ARCHES`.
        dtypes: of `variants.DTYPES`.
        groups: of `GROUPS`.

    Raises:
        RuntimeError: Triton was told to interpret, or the kernels need scratch memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    compiled = [
        _compile(folder, kernel, dtype, arch, variant, suffix)
        for kernel, dtype, arch, variant, suffix in _jobs(arches, dtypes, groups)
    ]
    text = json.dumps({"kernels": [asdict(item) for item in compiled]}, indent=2)
    (folder / "kernels.json").write_text(text + "\n", encoding="utf-8")
    return tuple(compiled)


def _jobs(
    arches: Sequence[str], dtypes: Sequence[str], groups: Sequence[int]
) -> Iterator[tuple[str, str, str, Variant, str]]:
    for dtype in dtypes:
        for count in groups:
            for arch in arches:
                variant = choose_variant(count, _LENGTHS[count], _CHANNELS, dtype, int(arch.replace(".", "")))
                for kernel in _KERNELS[variant.name]:
                    yield kernel, dtype, arch, variant, "cubin"
                    if arch == _PTX_ARCH:
                        yield kernel, dtype, arch, variant, "ptx"


def _compile(
    folder: Path, kernel: str, dtype: str, arch: str, variant: Variant, suffix: str
) -> CompiledKernel:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from groupvit_kernels import grouping_attention_triton
    from groupvit_kernels.grouping_attention_triton_launch import launch_options

    function = getattr(grouping_attention_triton, kernel)
    if not isinstance(function, triton.JITFunction):
        raise RuntimeError(
            "Triton interprets its kernels (TRITON_INTERPRET is set); unset it to compile them"
        )
    options = launch_options(variant)
    constants = {name: options.pop(name) for name in ("GROUPS", "BLOCK_N", "BLOCK_C")}
    signature = {name: _type(name, kernel, dtype, constants) for name in function.arg_names}
    source = ASTSource(
        fn=function,
        signature=signature,
        constexprs=constants,
        attrs={
            (position,): [["tt.divisibility", 16]]
            for position, kind in enumerate(signature.values())
            if kind.startswith("*")
        },
    )
    number = int(arch.replace(".", ""))
    built = triton.compile(source, target=GPUTarget("cuda", number, _WARP), options=options)
    if built.metadata.global_scratch_size:
        raise RuntimeError(f"{kernel} needs {built.metadata.global_scratch_size} bytes of scratch memory")
    data = built.asm[suffix]
    data = data.encode() if isinstance(data, str) else data
    name = f"{kernel}-{dtype}-g{variant.groups}-sm{number}.{suffix}"
    (folder / name).write_bytes(data)
    registers, spills = _resources(built.asm["cubin"])
    return CompiledKernel(
        kernel=built.metadata.name,
        file=name,
        sha256=hashlib.sha256(data).hexdigest(),
        arch=arch if suffix == "cubin" else f"{arch} and newer",
        dtype=dtype,
        groups=variant.groups,
        block_n=variant.block_n,
        block_c=variant.block_c,
        threads=built.metadata.num_warps * _WARP,
        shared_bytes=built.metadata.shared,
        parameters=(
            *((name, kind) for name, kind in signature.items() if kind != "constexpr"),
            *((f"hidden_{index}", "*i8") for index in range(_HIDDEN_POINTERS)),
        ),
        registers=registers,
        spill_bytes=spills,
    )


def _type(name: str, kernel: str, dtype: str, constants: dict[str, Any]) -> str:
    if name in constants:
        return "constexpr"
    if name not in _TENSORS[kernel]:
        return "fp32" if name == "eps" else "i32"
    if name in ("query", "tokens", "bias"):
        return _POINTERS[dtype]
    return "*i64" if name == "index" else "*fp32"


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers, and bytes of local memory, which a kernel without arrays uses for spills only."""
    from triton import knobs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        done = subprocess.run(
            [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"REG:(\d+) STACK:(\d+) .*LOCAL:(\d+)", done.stdout)
    if found is None:
        raise RuntimeError(f"cuobjdump says nothing of registers: {done.stdout!r}")
    registers, stack, local = map(int, found.groups())
    return registers, max(stack, local)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; prints registers and spills of every kernel. 1 where something spills."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--arch", nargs="+", choices=ARCHES, default=ARCHES)
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--groups", nargs="+", type=int, choices=GROUPS, default=GROUPS)
    given = parser.parse_args(arguments)
    compiled = compile_all(given.output, given.arch, given.dtype, given.groups)
    for item in compiled:
        print(
            f"{item.file:40} {item.registers:4} registers {item.spill_bytes:4} bytes spilled "
            f"{item.shared_bytes:6} bytes shared"
        )
    spilling = [item.file for item in compiled if item.spill_bytes]
    if spilling:
        print(f"these spill: {', '.join(spilling)}", file=sys.stderr)
    return 1 if spilling else 0


if __name__ == "__main__":
    sys.exit(main())
