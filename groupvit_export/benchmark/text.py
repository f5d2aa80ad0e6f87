"""Cells and lines about measurements, which the terminal and the page share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from groupvit_export.benchmark.records import Record

LATENCY_COLUMNS: Final = ("p50", "p90", "p95", "p99", "min", "mean", "sd", "cv", "images/s", "drift")
COLD_COLUMNS: Final = (
    "processes",
    "import",
    "load",
    "first mask",
    "total",
    "slowest",
    "warm mask",
    "peak MiB",
)


def latency_row(record: Record) -> list[str]:
    """The cells of `LATENCY_COLUMNS`."""
    s = record.latency
    return [
        *(f"{v:.2f}" for v in (s.p50, s.p90, s.p95, s.p99, s.minimum, s.mean, s.standard_deviation)),
        f"{s.coefficient_of_variation:.1%}",
        f"{record.images_per_second:.1f}",
        f"{record.drift:.3f}",
    ]


def caution_lines(records: Sequence[Record]) -> list[str]:
    """A line for every kind of caution: the worst of it, and how many measurements it concerns."""
    kinds = dict.fromkeys(caution.kind for record in records for caution in record.cautions)
    lines = []
    for kind in kinds:
        found = [(c, record) for record in records for c in record.cautions if c.kind == kind]
        worst, record = max(found, key=lambda item: item[0].severity)
        if len({caution.text for caution, _ in found}) == 1 and len(found) == len(records):
            lines.append(worst.text)
        elif len(found) == 1:
            lines.append(f"{worst.text} ({record.bundle.name}, {record.setting.words})")
        else:
            lines.append(
                f"{worst.text} ({record.bundle.name}, {record.setting.words}, the worst of {len(found)} "
                f"such measurements out of {len(records)})"
            )
    return lines


def cold_rows(records: Sequence[Record]) -> list[list[str]]:
    """Name, threads and `COLD_COLUMNS` of every bundle, once for each number of threads."""
    found = {
        (record.bundle.name, record.setting.threads): (record, record.cold)
        for record in records
        if record.cold is not None
    }
    return [
        [
            record.bundle.name,
            setting_cells(record)[0],
            str(cold.processes),
            *(
                f"{ms:.1f}"
                for ms in (
                    cold.import_ms,
                    cold.load_ms,
                    cold.first_mask_ms,
                    cold.total_ms,
                    cold.slowest_total_ms,
                    cold.warm_mask_ms,
                )
            ),
            "-" if cold.peak_resident_mb is None else f"{cold.peak_resident_mb:.0f}",
        ]
        for record, cold in found.values()
    ]


def setting_cells(record: Record) -> list[str]:
    """Threads, batch and streams."""
    setting = record.setting
    return [
        "auto" if setting.threads is None else str(setting.threads),
        str(setting.batch),
        str(setting.streams),
    ]
