"""The one family of exceptions that the toolkit raises on purpose.

Every message says what happened, what was there, what was expected and how to mend it, because
it is read at two in the morning by someone who did not write this code.
"""

from __future__ import annotations


class GroupViTError(Exception):
    """Root of every error raised on purpose.

    Args:
        what: one sentence that says what happened.
        got: what was found.
        expected: what would have been accepted.
        fix: the step, usually a command, that mends it.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        got: object | None = None,
        expected: object | None = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.got = got
        self.expected = expected
        self.fix = fix
        parts = [what]
        parts += [
            f"  {label}: {value}"
            for label, value in (("got", got), ("expected", expected), ("fix", fix))
            if value is not None
        ]
        super().__init__("\n".join(parts))


class UsageError(GroupViTError):
    """An argument, or a combination of arguments, that cannot mean anything."""

    exit_code = 2


class BundleError(GroupViTError):
    """A bundle that is missing, damaged, tampered with, or of another schema."""


class ImageError(GroupViTError):
    """An image that cannot be read or is outside what can be segmented."""


class ImageSizeError(ImageError):
    """An image of more pixels than are allowed."""


class LabelError(GroupViTError):
    """A label, vocabulary or prompt template that cannot be used."""


class EngineError(GroupViTError):
    """An engine that cannot be loaded or run as it was asked to."""


class ParityWarning(UserWarning):
    """The bundle was exported although it does not equal the reference."""


class PrecisionWarning(UserWarning):
    """The processor is not one that the engine's precision is made for."""


class MissingDependencyError(EngineError):
    """An optional package that this step needs is not installed."""
