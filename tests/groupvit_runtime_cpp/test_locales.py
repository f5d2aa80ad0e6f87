"""A host program in any locale: with a decimal comma, a point of two bytes, and Turkish letters."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from cpp_runtime import CppSegmenter, Library
from PIL import Image

from groupvit_export.data.bundled import DEMO_SAMPLE

CPP = Path(__file__).resolve().parents[2] / "runtimes" / "cpp"
LIMIT = 120.0
"""Seconds that a program is given before it counts as hung."""

LOCALES = {"de_DE": ",", "tr_TR": ",", "ps_AF": "٫"}
"""Names, and what their decimal point is."""
SELDOM = [pytest.param(name, marks=[pytest.mark.slow] if name == "tr_TR" else []) for name in LOCALES]

HOST = r"""
#include <cstdio>
#include <clocale>
#include <locale>
extern "C" int segment_main(int count, char** arguments);
int main(int count, char** arguments) {
  std::locale::global(std::locale(""));
  std::printf("decimal point: %s\n", std::localeconv()->decimal_point);
  return segment_main(count, arguments);
}
"""

FORBIDDEN = {
    "printf and scanf": r"\b(?:v?f?|v?sn?|s)(?:printf|scanf)\s*\(",
    "strtod and its like": r"\b(?:strto\w+|ato[fil]+|sto(?:d|f|i|l|ld|ll|ul|ull))\s*\(",
    "<cctype>": r"<(?:cctype|ctype\.h|cwctype)>|\bstd::(?:is(?:alpha|alnum|digit|space|upper|lower|punct"
    r"|print|xdigit|cntrl|graph|blank)|to(?:lower|upper))\b",
    "streams that format": r"<(?:sstream|iostream|iomanip|locale|regex)>|\bstd::\w*stringstream\b",
    "dates, collation, money": r"\b(?:strftime|strcoll|strxfrm|put_time|put_money|wcstombs|mbstowcs)\b",
}
"""What goes by the locale, and how to see it."""

FIXED = {"decimal.cpp"}
"""Where streams are used, in the locale "C"."""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for LOCPATH."""
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/de_DE").is_file():
        pytest.skip("localedef or the sources of locales are missing: apt-get install locales")
    folder = tmp_path_factory.mktemp("locales")
    for name in LOCALES:
        # It warns of what the sources lack, with exit status 1, and writes the locale all the same.
        command = ["localedef", "-c", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (folder / f"{name}.UTF-8" / "LC_NUMERIC").is_file(), done.stderr
    return folder


def run_in(locales: Path, name: str, *command: str | Path, cwd: Path | None = None) -> str:
    environment = os.environ | {"LOCPATH": str(locales), "LC_ALL": f"{name}.UTF-8"}
    environment.pop("LANGUAGE", None)
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        env=environment,
        cwd=cwd,
        timeout=LIMIT,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{name}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.parametrize("name", SELDOM)
def test_the_units_pass(cpp_build: Callable[[str], Path], locales: Path, name: str) -> None:
    program = cpp_build("groupvit_tests") / "groupvit_tests"
    # Its golden results are read by a parser that knows points of one byte only.
    leave_out = ["--gtest_filter=-ImageGolden.*:ScoreGolden.*"] if len(LOCALES[name].encode()) > 1 else []
    said = run_in(locales, name, program, *leave_out)
    assert f"decimal point: {LOCALES[name]}\n" in said, "the locale was not in force"


@pytest.mark.slow
def test_the_example_gives_the_same_labels_in_every_locale(
    cpp_library: Library,
    cpp_build: Callable[[str], Path],
    demo_bundles: Mapping[str, Path],
    demo_labels: list[str],
    locales: Path,
    tmp_path: Path,
) -> None:
    """examples/segment.c inside of a program that sets the locale of its user."""
    library = cpp_build("groupvit")
    (tmp_path / "host.cpp").write_text(HOST)
    include = f"-I{CPP / 'include'}"
    for command in (
        ["gcc", "-Dmain=segment_main", include, "-c", CPP / "examples" / "segment.c", "-o", "segment.o"],
        ["g++", "host.cpp", "segment.o", "-o", "host", f"-L{library}", "-lgroupvit", f"-Wl,-rpath,{library}"],
    ):
        subprocess.run(list(map(str, command)), check=True, cwd=tmp_path)
    Image.open(DEMO_SAMPLE).convert("RGB").save(tmp_path / "sample.ppm")
    maps = {}
    for name, point in {"C": ".", **LOCALES}.items():
        said = run_in(
            locales,
            name,
            tmp_path / "host",
            demo_bundles["openvino"],
            "sample.ppm",
            *demo_labels,
            cwd=tmp_path,
        )
        assert f"decimal point: {point}\n" in said, "the locale was not in force"
        maps[name] = (tmp_path / "labels.pgm").read_bytes()
        (tmp_path / "labels.pgm").unlink()
    assert len(np.unique(np.frombuffer(maps["C"], np.uint8)[20:])) > 2
    assert all(labels == maps["C"] for labels in maps.values())


@pytest.mark.parametrize("name", SELDOM)
def test_a_python_that_set_its_locale_gets_the_same_labels(
    cpp_library: Library,
    cpp_build: Callable[[str], Path],
    demo_bundles: Mapping[str, Path],
    demo_labels: list[str],
    locales: Path,
    tmp_path: Path,
    name: str,
) -> None:
    """By ctypes, in both decodes; the Python runtime in the same process as well."""
    rgb = np.asarray(Image.open(DEMO_SAMPLE).convert("RGB"))
    np.save(tmp_path / "rgb.npy", rgb)
    segmenter = CppSegmenter(cpp_library, demo_bundles["openvino"])
    words = segmenter.encode(demo_labels)
    for decode in ("hf", "paper"):
        np.save(tmp_path / f"{decode}.npy", segmenter.segment(rgb, words, decode=decode).labels)
    script = Path(__file__).resolve().parents[1] / "support" / "segment_in_locale.py"
    library = cpp_build("groupvit") / "libgroupvit.so"
    said = run_in(
        locales, name, sys.executable, script, library, demo_bundles["openvino"], tmp_path, *demo_labels
    )
    assert said.split() == [LOCALES[name], "hf", "paper", "python"]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_library_uses_nothing_that_goes_by_the_locale(what: str) -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted((CPP / "src").rglob("*.[ch]pp"))
        if path.name not in FIXED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(FORBIDDEN[what], line.partition("//")[0])
    ]
    assert not found, "\n".join(found)
    assert len(list((CPP / "src").rglob("*.cpp"))) > 40
