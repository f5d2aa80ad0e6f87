"""The two products behind the target `trt`, whose Python packages are nearly the same."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from groupvit_runtime.errors import MissingDependencyError
from groupvit_runtime.install_hint import install_hint

_REMEMBERED = 20


@dataclass(frozen=True)
class Flavor:
    """A product.

    Attributes:
        name: on the command line and in the manifest.
        title: for people.
        module: what is imported.
        extra: of this package, which installs it.
    """

    name: str
    title: str
    module: str
    extra: str


FLAVORS: Final[Mapping[str, Flavor]] = MappingProxyType(
    {
        "tensorrt": Flavor("tensorrt", "TensorRT", "tensorrt", "tensorrt"),
        "rtx": Flavor("rtx", "TensorRT-RTX", "tensorrt_rtx", "tensorrt-rtx"),
    }
)


def import_flavor(name: str, rebuild: str) -> Any:
    """The Python module of the flavor that an engine was built by.

    Args:
        name: a key of `FLAVORS`.
        rebuild: the command that makes an engine for another flavor.

    Raises:
        MissingDependencyError: it is not installed; says which flavor is.
    """
    flavor = FLAVORS[name]
    try:
        return importlib.import_module(flavor.module)
    except ImportError as error:
        others = [other.title for other in FLAVORS.values() if other is not flavor and is_installed(other)]
        raise MissingDependencyError(
            f"the engine was built by {flavor.title}, which is not installed",
            got=f"{error}; installed: {', '.join(others) or 'neither flavor'}",
            expected=f"the Python module {flavor.module}",
            fix=install_hint(flavor.extra) + (f", or build it anew: {rebuild}" if others else ""),
        ) from error


def is_installed(flavor: Flavor) -> bool:
    """Whether the flavor can be imported, libraries included."""
    # find_spec would find bindings whose libraries are missing.
    try:
        importlib.import_module(flavor.module)
    except ImportError:
        return False
    return True


@cache
def logger_of(trt: Any) -> Any:
    """The logger of a flavor: prints nothing; `take` gives the errors since it was last asked, as a line.

    One for the process: while any object of TensorRT lives, a second logger is ignored.

    Args:
        trt: the flavor's module.
    """

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._lines: deque[str] = deque(maxlen=_REMEMBERED)

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                self._lines.append(message)

        def take(self) -> str:
            lines = "; ".join(dict.fromkeys(self._lines))
            self._lines.clear()
            return lines

    return Logger()
