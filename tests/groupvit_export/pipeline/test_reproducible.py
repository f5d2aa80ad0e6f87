"""Two exports of the same input give the same bytes, `provenance.json` alone apart."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from groupvit_export.errors import UsageError
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.pipeline.origin import creation_date
from groupvit_export.targets.registry import TARGETS
from groupvit_export.targets.tensorrt.options import TrtOptions

FAST, SLOW = ("onnx", "openvino"), ("torch", "trt")
# Beside the tests of its export, in an environment of its own.
ELSEWHERE = ("litert",)


def test_every_target_is_looked_at() -> None:
    assert {*FAST, *SLOW, *ELSEWHERE} == {target.engine_name for target in TARGETS.values()}


def files(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.iterdir()}


def again(bundle: Path, folder: Path, **options: object) -> Path:
    """The same input in this process, which has exported before: counters have gone on."""
    export = ExportOptions(
        target=bundle.name,
        precision="fp32",
        output=folder / bundle.name,
        **options,  # type: ignore[arg-type]
    )
    return export_bundle(export).path


def differing(first: Path, second: Path) -> set[str]:
    ours, theirs = files(first), files(second)
    assert ours.keys() == theirs.keys()
    return {name for name in ours if ours[name] != theirs[name]}


@pytest.fixture
def one_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    yield "2020-09-13T12:26:40+00:00"


@pytest.mark.parametrize("target", [pytest.param("onnx", marks=pytest.mark.slow), "openvino"])
def test_two_exports_differ_in_nothing_but_when_they_were_made(
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    one_moment: str,
    request: pytest.FixtureRequest,
    target: str,
) -> None:
    if target == FAST[0]:
        # The others build from the same graphs.
        request.getfixturevalue("captures_anew")
    bundle = again(demo_bundles[target], tmp_path)
    assert differing(demo_bundles[target], bundle) == {"provenance.json"}
    before, after = (
        json.loads((path / "provenance.json").read_text()) for path in (demo_bundles[target], bundle)
    )
    assert after["created"] == one_moment
    assert {name for name in before if before[name] != after[name]} == {"created", "sha256"}


@pytest.mark.slow
def test_packages_are_the_same(torch_bundle: Path, tmp_path: Path) -> None:
    assert differing(torch_bundle, again(torch_bundle, tmp_path)) == {"provenance.json"}


@pytest.mark.usefixtures("captures_anew")
@pytest.mark.slow
def test_all_but_the_plans_is_the_same(trt_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    """TensorRT-RTX orders the outputs of a network otherwise in every build; the manifest has its hash."""
    first = trt_bundles["fp32"]
    second = export_bundle(
        ExportOptions(
            target="trt",
            precision="fp32",
            output=tmp_path / first.name,
            target_options=TrtOptions(flavor="rtx"),
        )
    ).path
    assert differing(first, second) <= {"provenance.json", "manifest.json", "image.engine", "text.engine"}
    ours, theirs = (without_plans(path / "manifest.json") for path in (first, second))
    assert ours == theirs


def without_plans(manifest: Path) -> object:
    value = json.loads(manifest.read_text())
    for engine in value["engines"]:
        (plan,) = engine["files"]
        del plan["sha256"]
    return value


def test_without_the_variable_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    made = datetime.datetime.fromisoformat(creation_date())
    assert abs(datetime.datetime.now(datetime.UTC) - made) < datetime.timedelta(minutes=5)


@pytest.mark.parametrize("value", ["", "yesterday", "1.5", "1" + "0" * 30])
def test_a_moment_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        creation_date()
