"""A line of JSON for every request and event. Nothing of an image, a word or a token is in it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

LOGGER: Final = logging.getLogger("groupvit.serving")
_LOGGERS: Final = ("groupvit.serving", "uvicorn.error", "py.warnings")
_SILENT: Final = ("python_multipart",)
"""Quotes what it cannot read."""

FIELDS: Final = "groupvit_fields"
"""Attribute of a record in which further fields are."""


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


@contextmanager
def logging_to_stderr(level: int) -> Iterator[None]:
    """Within, events of this level go to standard error; afterwards the loggers are as they were."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    nothing = logging.NullHandler()
    chosen = {**dict.fromkeys(_LOGGERS, handler), **dict.fromkeys(_SILENT, nothing)}
    loggers = {logging.getLogger(name): one for name, one in chosen.items()}
    before = {logger: (logger.level, logger.propagate) for logger in loggers}
    for logger, one in loggers.items():
        logger.addHandler(one)
        logger.setLevel(level)
        logger.propagate = False
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (old, propagate) in before.items():
            logger.removeHandler(loggers[logger])
            logger.setLevel(old)
            logger.propagate = propagate
