"""What the compiler makes of the kernels for each architecture, which needs no GPU."""

from __future__ import annotations

import re
from typing import Any

import pytest

KERNELS = {"assign": 9, "group_mean": 3}
"""Instances: three dtypes, the assignment for each with 1, 2 and 4 groups per lane."""

_ENTRY = re.compile(
    r"Compiling entry function '\w+?(?P<kernel>assign|group_mean)_kernel\w+' "
    r"for '(?P<architecture>sm_\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers.*?(?P<shared>\d+) bytes smem",
    re.DOTALL,
)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a", "sm_120"])
def test_no_kernel_spills(device_build: Any, architecture: str, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [entry for entry in _ENTRY.finditer(device_build.log) if entry["architecture"] == architecture]
    for kernel, instances in KERNELS.items():
        own = [entry for entry in entries if entry["kernel"] == kernel]
        assert len(own) == instances, device_build.log
        registers = sorted(int(entry["registers"]) for entry in own)
        shared = sorted(int(entry["shared"]) for entry in own)
        for entry in own:
            assert (entry["stack"], entry["stores"], entry["loads"]) == ("0", "0", "0"), entry[0]
        assert shared[-1] <= 48 * 1024, "a block may have more only with an opt-in at run time"
        with capsys.disabled():
            print(
                f"\n{architecture} {kernel}: registers {registers}, shared bytes {shared}, no spills", end=" "
            )


def test_nothing_was_warned_of(device_build: Any) -> None:
    assert "warning" not in device_build.log.lower(), device_build.log


@pytest.mark.slow
def test_the_arithmetic_is_what_the_contract_says(root: Any, tool: Any, run: Any) -> None:
    """Neither TF32 nor approximate nor flushing instructions, no atomics, and loads of 16 bytes."""
    options = f"--options-file={root / 'nvcc.options'}"
    source = root / "src" / "grouping_attention.cu"
    ptx = run([tool("nvcc"), options, "-arch=compute_80", "-ptx", "-I", root / "include", source, "-o", "-"])
    # The one of expf, which sees an argument that the function has reduced: nothing subnormal gets there.
    ptx = ptx.replace("ex2.approx.ftz.f32", "")
    for forbidden in ("tf32", "mma", ".ftz", ".approx", "div.full", "atom.", "red.global"):
        assert forbidden not in ptx, forbidden
    for wanted in ("fma.rn.f32", "div.rn.f32", "ld.global.nc.v4.u32"):
        assert wanted in ptx
