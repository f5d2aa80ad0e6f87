"""Every precision of the demo beside float32 of the same target: verdict, mIoU and latency.

    python -m benchmarks.precisions

exports the demo to every target in every precision that it has below float32, writes the rows of the
manifests to `benchmarks/results/precisions.json`, and prints them as the table of the README. A target or a
precision that cannot be exported here is a line that says why.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, machine
from groupvit_export.errors import EngineError, MissingDependencyError
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.provenance import Provenance
from groupvit_export.targets.registry import TARGETS
from groupvit_runtime.serialize import to_json

_OUTPUT = RESULTS / "precisions.json"


def measure(folder: Path) -> Iterator[dict[str, Any]]:
    """A record for each target and lower precision: its rows, or why there are none."""
    for target, kind in TARGETS.items():
        for precision in kind.precisions:
            if precision == "fp32":
                continue
            record: dict[str, Any] = {"target": target, "precision": precision}
            options = ExportOptions(
                target=target, precision=precision, output=folder / f"{target}-{precision}"
            )
            try:
                result = export_bundle(options)
            except (EngineError, MissingDependencyError) as error:
                yield record | {"not_exported": f"{error.what}: {error.got}"}
                continue
            yield record | facts(result.provenance) | {"seconds": result.seconds}


def facts(provenance: Provenance) -> dict[str, Any]:
    """What a record keeps of how a bundle came to be."""
    return {"rows": to_json(provenance.precisions), "substitute": provenance.parity.substitute}


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """The records as a table, latencies as ratios to float32 of the same target."""
    lines = [
        "| target | precision | verify | mIoU | mIoU of fp32 | pixels as in fp32 | latency, fp32 = 1 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for record in records:
        name = f"| `{record['target']}` | {record['precision']} "
        if "rows" not in record:
            lines.append(f"{name}| not exported: {record['not_exported']} | | | | |")
            continue
        fp32, own = record["rows"]
        verdict = own["verdict"] + (" (stand-in)" if record["substitute"] else "")
        latency = "not measured"
        if own["latency_ms"] is not None and fp32["latency_ms"] is not None:
            latency = f"{own['latency_ms'] / fp32['latency_ms']:.2f}"
        figures = (f"{value:.2f}" for value in (own["miou"], fp32["miou"], own["agreement"]))
        lines.append(f"{name}| {verdict} | {' | '.join(figures)} | {latency} |")
    return "\n".join(lines)


def write(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Keep what was found so far."""
    text = json.dumps({"machine": machine(), "precisions": records}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Export, write the records, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=_OUTPUT, help=f"default {_OUTPUT.name}")
    arguments = parser.parse_args()
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="groupvit-precisions-") as scratch:
        for record in measure(Path(scratch)):
            records.append(record)
            write(records, arguments.output)
            seconds = sum(record.get("seconds", {}).values())
            print(f"{record['target']} {record['precision']}: {seconds:.0f} s", flush=True)
    print(markdown(records))


if __name__ == "__main__":
    main()
