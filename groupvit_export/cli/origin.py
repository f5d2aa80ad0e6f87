"""How a report came to be."""

from __future__ import annotations

from datetime import UTC, datetime

from groupvit_export.html.page import Origin


def origin(command: str) -> Origin:
    """Of a page that is made now by `command`."""
    return Origin(command, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
