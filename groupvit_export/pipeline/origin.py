"""When a bundle was made, and by what."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version
from typing import Final

import torch

from groupvit_export.errors import UsageError

_EPOCH: Final = "SOURCE_DATE_EPOCH"


def creation_date() -> str:
    """Date and time in UTC, ISO 8601 to the second: now, or what `SOURCE_DATE_EPOCH` says.

    Source: https://reproducible-builds.org/specs/source-date-epoch/

    Raises:
        UsageError: the variable is no number of seconds.
    """
    given = os.environ.get(_EPOCH)
    if given is None:
        return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        seconds = int(given)
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{_EPOCH} cannot be understood",
            got=repr(given),
            expected="seconds since 1970-01-01 00:00 UTC",
            fix=f"unset {_EPOCH}, or {_EPOCH}=$(git log -1 --pretty=%ct)",
        ) from error


def tool_versions() -> dict[str, str]:
    """Versions of what had a part in a bundle and is compared by no runtime."""
    return {
        "groupvit-export": version("groupvit-export"),
        "python": platform.python_version(),
        torch.__name__: torch.__version__,
    }
