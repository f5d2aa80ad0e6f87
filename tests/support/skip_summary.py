"""A plugin of pytest: says first what this system lacks, and last how many tests were skipped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable

import pytest

from tools.system_packages import ELSEWHERE, command, missing

_NEEDS_PACKAGES = "apt-get install"
"""Is in the reason of every skip that a Debian package would have prevented."""


def pytest_report_header() -> str | None:
    wanted = missing()
    if wanted is None:
        return ELSEWHERE
    return f"tests of compiled code are skipped for want of: {command(wanted)}" if wanted else None


# Around all others: what it writes after them comes last.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    yield
    terminalreporter.section("skipped")
    for line in summary(terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(line)


def summary(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """Lines with the reasons, the most frequent first, and what would have let more tests run."""
    # Every worker collects, and says of a file that it is left out.
    reasons = {report.nodeid: _reason(report) for report in reports}
    if not reasons:
        return ["no test was skipped"]
    counted = Counter(reasons.values()).most_common()
    lines = [f"{count:6}  {reason}" for reason, count in counted]
    lines.append(f"{len(reasons)} skipped (a file that is skipped whole counts as one)")
    curable = sum(count for reason, count in counted if _NEEDS_PACKAGES in reason)
    if curable:
        wanted = missing()
        cure = command(wanted) if wanted else "the system's packages that are named there"
        lines.append(f"{curable} of them are skipped for want of: {cure}")
    return lines


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    text = where[2] if isinstance(where, tuple) else str(where)
    return text.removeprefix("Skipped: ").splitlines()[0]
