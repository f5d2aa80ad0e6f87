"""What is right in another way must not fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from verifying import demo_subject, engine_backend, examine_backends

from groupvit_export.cli.matrix import matrix
from groupvit_export.cli.tables import plain
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import PASSES
from groupvit_export.html.page import Origin
from groupvit_export.verification.backends import eager, encoder_in_float64
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.cases import synthetic_cases
from groupvit_export.verification.detail_words import detail_words
from groupvit_export.verification.details import Repeats
from groupvit_export.verification.html import html_report
from groupvit_export.verification.reference import Reference, assignments, decided_alike
from groupvit_export.verification.words import parity_summary
from groupvit_runtime.engines import EngineOptions


@pytest.fixture(scope="module")
def engine(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory):
    return engine_backend(demo_bundles["onnx"], tmp_path_factory.mktemp("cut"))


@pytest.mark.slow
def test_another_number_of_threads(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    backends = [
        engine_backend(
            demo_bundles[target], tmp_path / f"{target}{n}", f"{target} {n}", EngineOptions(threads=n)
        )
        for target in demo_bundles
        for n in (1, 3)
    ]
    report = examine_backends(demo_subject(), *backends)
    assert report.verdict == "PASS", report.findings


@pytest.mark.slow
def test_folded_projections_and_none(tmp_path: Path) -> None:
    subject = demo_subject()
    folded, plain = (
        encoder_in_float64(subject.model, subject.image_size, passes) for passes in (tuple(PASSES), ())
    )
    plain = replace(plain, column=replace(plain.column, name="without passes"))
    report = examine_backends(subject, folded, plain, eager(subject.model, "fp32"))
    assert report.verdict == "PASS", report.findings
    # What is multiplied beforehand is rounded to float32 once; nothing else differs from the reference.
    for name in (folded.column.name, plain.column.name):
        assert report.cell("masks", name).value < 1e-6
        assert report.cell("text_embeds", name).value == 0


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_optimization_levels_of_onnx_runtime(demo_bundles: Mapping[str, Path], engine, level: str) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(
        demo_bundles["onnx"] / "image.onnx", options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def image(pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {"pixel_values": pixel_values}), strict=True))

    report = examine_backends(demo_subject(), replace(engine, image=image))
    assert report.verdict == "PASS", report.findings


def test_an_engine_that_refuses_a_batch_fails_and_does_not_raise(engine) -> None:
    from groupvit_export.errors import EngineError

    def image(pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        if len(pixel_values) > 1:
            raise EngineError("the engine takes one image", got=len(pixel_values))
        return engine.image(pixel_values)

    report = examine_backends(demo_subject(), replace(engine, image=image))
    (finding,) = report.findings
    assert finding.row.slug == "runs" and "takes one image" in detail_words(finding.cell.detail)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o["assignment_1"].__setitem__((0, 0), 24), "a group that does not exist"),
        (lambda o: o["assignment_2"].__setitem__((0, 0), -1), "a group that does not exist"),
        (lambda o: o.update(masks=o["masks"][:, :, :-1]), "masks cannot be compared"),
        (lambda o: o.pop("group_embeds"), "no such output"),
    ],
)
def test_outputs_that_cannot_be_compared_fail_and_do_not_raise(engine, spoil, message: str) -> None:
    def image(pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        outputs = engine.image(pixel_values)
        spoil(outputs)
        return outputs

    report = examine_backends(demo_subject(), replace(engine, image=image))
    (finding,) = report.findings
    assert (report.verdict, finding.row.slug) == ("FAIL", "runs") and message in detail_words(
        finding.cell.detail
    )


def test_the_reference_does_not_care_how_images_are_batched() -> None:
    subject = demo_subject()
    cases = synthetic_cases(subject.image_size, subject.contracts.hf)
    pixel_values = max((case.value for case in cases), key=len)
    reference = Reference(subject.model)
    together = reference.free(pixel_values)
    for i in range(len(pixel_values)):
        for name, value in reference.free(pixel_values[i : i + 1]).items():
            np.testing.assert_array_equal(value[0], together[name][i])
    forced = [index.copy() for index in assignments(together)]
    forced[0][0, 0] = (forced[0][0, 0] + 1) % 24
    replayed = reference.replay(pixel_values, forced)
    assert not decided_alike(replayed, together, 0) and decided_alike(replayed, together, 1)
    assert np.abs(replayed["group_embeds"][0] - together["group_embeds"][0]).max() > 0


def test_not_a_number_fails(engine) -> None:
    def image(pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        outputs = engine.image(pixel_values)
        outputs["group_embeds"][0, 0, 0] = np.nan
        return outputs

    report = examine_backends(demo_subject(), replace(engine, image=image))
    (finding,) = report.findings
    assert finding.row.slug == "group_embeds"
    assert finding.cell.place is not None and finding.cell.place.index == (0, 0, 0)
    assert parity_summary(report, "engine").rows[0].verdict == "PASS"
    assert "not finite FAIL" in plain([matrix(report)])
    assert "not finite" in html_report(report, {}, {}, Origin("", ""))


def test_runs_that_differ_from_each_other_are_seen(engine) -> None:
    calls = 0

    def image(pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal calls
        calls += 1
        outputs = engine.image(pixel_values)
        outputs["masks"] = outputs["masks"] + np.float32(1e-7 * (calls % 2))
        return outputs

    report = examine_backends(demo_subject(), replace(engine, image=image))
    cell = report.cell("repeated_runs", "engine")
    assert cell.verdict == "PASS" and cell.value > 0 and cell.detail == Repeats(3, equal=False)


def test_budgets_are_reviewed_data() -> None:
    for precision in ("fp32", "bf16", "fp16"):
        budgets = load_budgets(precision)
        assert budgets.budget(0.0) == budgets.floor > 0
        assert budgets.budget(1.0) == budgets.factor > 1


def test_the_encoder_of_the_reference_is_not_changed() -> None:
    subject = demo_subject()
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    encoder_in_float64(subject.model, subject.image_size, tuple(PASSES))
    ImageEncoder(subject.model, subject.image_size)
    assert all(value.equal(before[name]) for name, value in subject.model.state_dict().items())
