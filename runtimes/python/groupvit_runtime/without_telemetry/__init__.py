"""The only way into packages whose makers collect usage statistics: imported with the collecting off.

`from groupvit_runtime.without_telemetry.openvino import openvino` is what `import openvino` is elsewhere.
Whether to collect is decided once, while a package is imported, so the switches are in the environment for
that long only: neither this process nor its children see them afterwards. What a host program imported
before, it has decided about itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

_OFF: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        # Documented in ONNX Runtime's Privacy.md. Its `disable_telemetry_events` comes too late: by then
        # there are an identifier and a database in the user's cache folder, and a thread that uploads.
        "onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"},
        # openvino_telemetry sends and stores nothing in a CI. Its own switch is a file in the user's home,
        # which is not ours to write.
        "openvino": {"CI": "true"},
        # With NNCF_CI it makes no sender of its own.
        "nncf": {"CI": "true", "NNCF_CI": "1"},
    }
)

_SWITCHING = threading.RLock()


@contextlib.contextmanager
def telemetry_off(package: str) -> Iterator[None]:
    """Import `package` inside: environment variables are set that turn its telemetry off, and taken back.

    A switch that the user has set is left as it is, whatever it says; only CI, which says something else, is
    replaced for the while. Nothing is done where the package is imported already. The environment is that of
    all threads of the process.

    Args:
        package: "onnxruntime", "openvino" or "nncf".
    """
    if package in sys.modules:
        yield
        return
    with _SWITCHING:
        wanted = _OFF[package].items()
        values = {name: value for name, value in wanted if name == "CI" or name not in os.environ}
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
