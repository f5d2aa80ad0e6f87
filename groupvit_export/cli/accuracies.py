"""How good bundles are, from reports of `groupvit eval`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from groupvit_export.benchmark.accuracy import Accuracy
from groupvit_export.benchmark.bench_target import BenchTarget
from groupvit_export.benchmark.settings import RunConfig
from groupvit_export.errors import BundleError, GroupViTError, UsageError
from groupvit_export.evaluate.report import SCHEMA_VERSION, Report
from groupvit_runtime.serialize import from_json


def split_accuracy(texts: Sequence[str], bundles: Sequence[str]) -> dict[str, Path]:
    """`BUNDLE=report.json`, with BUNDLE as it was given, to paths by bundle.

    Raises:
        UsageError: it is not of this form, names no bundle that is measured, or one twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        named = [bundle for bundle in bundles if text.startswith(f"{bundle}=")]
        if not named:
            raise UsageError(
                "an accuracy belongs to no bundle that is measured",
                got=text,
                expected=f"BUNDLE=report.json with one of {', '.join(dict.fromkeys(bundles))}",
            )
        # The longest, for a path may contain the sign itself.
        bundle = max(named, key=len)
        if bundle in found:
            raise UsageError("a bundle has two accuracies", got=text, expected="one report for each")
        found[bundle] = Path(text[len(bundle) + 1 :])
    return found


def read_accuracies(
    paths: Mapping[str, Path], subjects: Sequence[BenchTarget], fixed: RunConfig
) -> dict[str, Accuracy]:
    """The accuracy of every bundle that has a report, by its path as given.

    Raises:
        GroupViTError: a report cannot be read, is not of `groupvit eval`, or has no mIoU.
        UsageError: it is another bundle's, or of another decode.
    """
    return {
        subject.facts.path: _read(paths[subject.facts.path], subject, fixed)
        for subject in subjects
        if subject.facts.path in paths
    }


def _read(path: Path, subject: BenchTarget, fixed: RunConfig) -> Accuracy:
    expected = "the report.json that groupvit eval wrote"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != SCHEMA_VERSION:
            raise GroupViTError(
                "this is no report of an evaluation, or one of another schema",
                got=f"{path}: schema_version {version!r}",
                expected=f"{expected}, schema_version {SCHEMA_VERSION}",
            )
        report = from_json(Report, value, "report")
    except (OSError, ValueError, RecursionError, BundleError) as error:
        detail = error.what if isinstance(error, BundleError) else error
        raise GroupViTError(
            "the report of an evaluation cannot be read", got=f"{path}: {detail}", expected=expected
        ) from error
    if report.identity.manifest_sha256 != subject.facts.manifest_sha256:
        raise UsageError(
            "the report is of another bundle, or of the bundle before it was exported again",
            got=f"{path}, of {report.request.options.bundle}",
            expected=f"a report of {subject.facts.path}",
            fix=f"groupvit eval {subject.facts.path} --dataset ... --root ...",
        )
    if report.identity.decode != subject.decode(fixed):
        raise UsageError(
            "the accuracy is of another decode than the one that is measured",
            got=f"{path}: {report.identity.decode}",
            expected=subject.decode(fixed),
            fix=f"--decode {report.identity.decode}",
        )
    if report.precision != subject.facts.precision:
        raise UsageError(
            "the accuracy is of another image engine of the bundle than the one that is measured",
            got=f"{path}: {report.precision}",
            expected=subject.facts.precision,
            fix=f"--precision {report.precision}, or a report of groupvit eval --precision "
            f"{subject.facts.precision}",
        )
    if report.miou is None:
        raise GroupViTError("the report has no mIoU", got=path, expected="one with images measured")
    return Accuracy(report.identity.dataset, report.miou, report.images.measured, report.partial)
