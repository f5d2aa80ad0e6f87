"""Every precision of the demo beside float32 of the same target: verdict, mIoU and latency.

    python -m benchmarks.precisions

exports the demo to every target in every precision that it has below float32, writes the rows of the
provenances to `benchmarks/results/precisions.json`, and prints the table that `benchmarks.report` makes of
them. A target or a precision that cannot be exported here is a line that says why.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.record import machine, write_record
from benchmarks.report_demo import precision_table
from groupvit_export.errors import EngineError, MissingDependencyError
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.provenance import Provenance
from groupvit_export.targets.registry import TARGETS
from groupvit_runtime.serialize import to_json


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


def main() -> None:
    """Export, write the records, print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    found: dict[str, Any] = {"machine": machine(), "precisions": []}
    with tempfile.TemporaryDirectory(prefix="groupvit-precisions-") as scratch:
        for record in measure(Path(scratch)):
            found["precisions"].append(record)
            # What was found so far is kept.
            write_record("precisions", found, indent=1)
            seconds = sum(record.get("seconds", {}).values())
            print(f"{record['target']} {record['precision']}: {seconds:.0f} s", flush=True)
    print(precision_table(found))


if __name__ == "__main__":
    main()
