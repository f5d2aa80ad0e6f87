"""The C interface: its header alone, its constants against the contract, and what it refuses."""

from __future__ import annotations

import ctypes
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groupvit_kernels import OPSET_VERSION

STATUSES = (
    "OK",
    "ERROR_NULL_POINTER",
    "ERROR_DTYPE",
    "ERROR_BATCH",
    "ERROR_GROUPS",
    "ERROR_LENGTH",
    "ERROR_CHANNELS",
    "ERROR_EPS",
    "ERROR_STRIDE",
    "ERROR_ALIGNMENT",
    "ERROR_DEVICE",
    "ERROR_LAUNCH",
)
CODE = {name: number for number, name in enumerate(STATUSES)}


class Arguments(ctypes.Structure):
    """`groupvit_grouping_attention_arguments`."""

    _fields_ = (
        ("dtype", ctypes.c_int32),
        ("eps", ctypes.c_float),
        *((name, ctypes.c_int64) for name in ("batch", "groups", "length", "channels")),
        *((name, ctypes.c_void_p) for name in ("query", "tokens", "bias")),
        ("query_strides", ctypes.c_int64 * 3),
        ("tokens_strides", ctypes.c_int64 * 3),
        ("bias_strides", ctypes.c_int64 * 2),
        *((name, ctypes.c_void_p) for name in ("means", "soft", "index", "count")),
    )


@pytest.fixture(scope="module")
def library(device_build: Any) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(device_build.library))
    loaded.groupvit_grouping_attention.argtypes = [ctypes.POINTER(Arguments), ctypes.c_void_p]
    loaded.groupvit_kernel_status_text.restype = ctypes.c_char_p
    return loaded


def arguments(**changes: Any) -> Arguments:
    """A call that nothing is wrong with, but for pointers that nobody follows before they are checked."""
    sizes = {"batch": 2, "groups": 4, "length": 8, "channels": 16}
    pointers = dict.fromkeys(("query", "tokens", "bias", "means", "soft", "index", "count"), 4096)
    strides = {"query_strides": (64, 16, 1), "tokens_strides": (128, 16, 1), "bias_strides": (4, 1)}
    return Arguments(**{"dtype": 0, "eps": 1.0, **sizes, **pointers, **strides, **changes})


HEADER = "groupvit/grouping_attention.h"


@pytest.mark.parametrize(
    ("compiler", "standard", "suffix"), [("gcc", "c11", "c"), ("gcc", "c99", "c"), ("g++", "c++17", "cpp")]
)
def test_the_header_compiles_alone(
    root: Path, tool: Any, run: Any, tmp_path: Path, compiler: str, standard: str, suffix: str
) -> None:
    source = tmp_path / f"alone.{suffix}"
    source.write_text(
        f'#include "{HEADER}"\n'
        f'#include "{HEADER}"\n'
        "groupvit_kernel_status call(const groupvit_grouping_attention_arguments* arguments);\n"
        "groupvit_kernel_status call(const groupvit_grouping_attention_arguments* arguments) {\n"
        "  return groupvit_grouping_attention(arguments, 0);\n"
        "}\n"
    )
    flags = (f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
    run([tool(compiler), *flags, "-I", root / "include", source])


@pytest.mark.parametrize("others", [("groupvit.h", "gcc", "c"), ("groupvit.hpp", "g++", "cpp")], ids=str)
@pytest.mark.parametrize("kernels_first", [True, False])
def test_one_program_includes_the_runtimes_header_as_well(
    root: Path, tool: Any, run: Any, tmp_path: Path, others: tuple[str, str, str], kernels_first: bool
) -> None:
    header, compiler, suffix = others
    source = tmp_path / f"both.{suffix}"
    includes = [f'#include "{HEADER}"\n', f"#include <groupvit/{header}>\n"]
    source.write_text(
        "".join(includes if kernels_first else includes[::-1])
        + "groupvit_kernel_status kernel(void);\n"
        + "groupvit_kernel_status kernel(void) { return GROUPVIT_KERNEL_ERROR_DTYPE; }\n"
        + "groupvit_status runtime(void);\n"
        + "groupvit_status runtime(void) { return GROUPVIT_ERROR_ENGINE; }\n"
    )
    folders = ("-I", root / "include", "-I", root.parents[1] / "runtimes" / "cpp" / "include")
    run([tool(compiler), "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", *folders, source])


def test_the_header_agrees_with_the_contract_and_the_tests(root: Path) -> None:
    text = (root / "include" / HEADER).read_text()
    assert f"#define GROUPVIT_GROUPING_ATTENTION_VERSION {OPSET_VERSION}\n" in text
    found = dict(re.findall(r"GROUPVIT_KERNEL_(OK|ERROR_\w+) = (\d+)", text))
    assert {name: int(number) for name, number in found.items()} == CODE


def test_the_library_says_its_version(library: ctypes.CDLL) -> None:
    assert library.groupvit_grouping_attention_version() == OPSET_VERSION


def test_every_status_has_a_text_of_its_own(library: ctypes.CDLL) -> None:
    texts = [library.groupvit_kernel_status_text(number) for number in range(len(STATUSES) + 1)]
    assert len(set(texts)) == len(texts)
    assert b"unknown status" in texts[-1]
    assert library.groupvit_kernel_status_text(-1) == texts[-1]


BROKEN = [
    ("ERROR_DTYPE", {"dtype": 3}),
    ("ERROR_DTYPE", {"dtype": -1}),
    ("ERROR_BATCH", {"batch": -1}),
    ("ERROR_BATCH", {"batch": 2**31}),
    ("ERROR_BATCH", {"batch": 2**63 - 1}),
    ("ERROR_BATCH", {"batch": 2**25, "length": 16384}),
    ("ERROR_BATCH", {"batch": 2**25, "groups": 128}),
    ("ERROR_GROUPS", {"groups": 0}),
    ("ERROR_GROUPS", {"groups": 129}),
    ("ERROR_LENGTH", {"length": 0}),
    ("ERROR_LENGTH", {"length": 16385}),
    ("ERROR_CHANNELS", {"channels": 0}),
    ("ERROR_CHANNELS", {"channels": 24}),
    ("ERROR_CHANNELS", {"channels": 1040}),
    ("ERROR_CHANNELS", {"channels": -16}),
    ("ERROR_EPS", {"eps": 0.0}),
    ("ERROR_EPS", {"eps": -1.0}),
    ("ERROR_EPS", {"eps": math.nan}),
    ("ERROR_STRIDE", {"query_strides": (2**59, 16, 1)}),
    ("ERROR_STRIDE", {"tokens_strides": (128, -(2**58), 1)}),
    ("ERROR_STRIDE", {"bias_strides": (4, -(2**63))}),
    ("ERROR_ALIGNMENT", {"query": 4098}),
    ("ERROR_ALIGNMENT", {"dtype": 1, "tokens": 4097}),
    ("ERROR_ALIGNMENT", {"index": 4100}),
    ("ERROR_ALIGNMENT", {"count": 4098}),
    *(
        ("ERROR_NULL_POINTER", {name: None})
        for name in ("query", "tokens", "bias", "means", "soft", "index", "count")
    ),
]


@pytest.mark.parametrize(("status", "changes"), BROKEN, ids=str)
def test_broken_calls_are_refused(library: ctypes.CDLL, status: str, changes: dict[str, Any]) -> None:
    got = library.groupvit_grouping_attention(ctypes.byref(arguments(**changes)), None)
    assert STATUSES[got] == status


def test_null_arguments_are_refused(library: ctypes.CDLL) -> None:
    assert library.groupvit_grouping_attention(None, None) == CODE["ERROR_NULL_POINTER"]


def test_no_image_needs_no_memory_and_no_device(library: ctypes.CDLL) -> None:
    nothing = dict.fromkeys(("query", "tokens", "bias", "means", "soft", "index", "count"))
    call = arguments(batch=0, **nothing)
    assert library.groupvit_grouping_attention(ctypes.byref(call), None) == CODE["OK"]


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="the pointers of this call lead nowhere")
def test_without_a_device_the_launch_is_refused(library: ctypes.CDLL) -> None:
    assert library.groupvit_grouping_attention(ctypes.byref(arguments()), None) == CODE["ERROR_LAUNCH"]


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("ERROR_DTYPE", {"dtype": 7}),
        ("ERROR_GROUPS", {"sizes": (1, 129, 8, 16)}),
        ("ERROR_LENGTH", {"sizes": (1, 4, 16385, 16)}),
        ("ERROR_CHANNELS", {"sizes": (1, 4, 8, 8)}),
        ("ERROR_EPS", {"eps": 0.0}),
    ],
)
def test_the_emulation_refuses_the_same(emulation: Any, status: str, changes: dict[str, Any]) -> None:
    arrays = (np.zeros(shape, np.float32) for shape in ((1, 4, 16), (1, 8, 16), (1, 4)))
    got = emulation(*arrays, **{"dtype": "float32", **changes})
    assert STATUSES[got.status] == status
