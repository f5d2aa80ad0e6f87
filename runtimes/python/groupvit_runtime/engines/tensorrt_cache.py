"""Kernels that TensorRT-RTX compiled for this GPU, kept between processes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from groupvit_runtime.files import write_atomically


class RuntimeCache:
    """One file for an engine, a version and a GPU in the user's cache folder.

    It may be deleted at any time; TensorRT-RTX then compiles anew on first use.

    Args:
        sha256: of the plan.
        version: of TensorRT-RTX.
        compute_capability: of the GPU.
        folder: where the file lies; None for the user's cache folder.

    Attributes:
        path: of the file.
        warm: whether kernels were found when the engine was loaded.
    """

    def __init__(
        self, sha256: str, version: str, compute_capability: str, folder: Path | None = None
    ) -> None:
        folder = folder or user_cache_path("groupvit") / "tensorrt-rtx"
        self.path = folder / f"{sha256[:32]}-{version}-{compute_capability}.cache"
        self.warm = False
        self._cache: Any = None
        self._saved = -1
        self._lock = threading.Lock()

    def attach(self, config: Any) -> None:
        """Make a runtime configuration use the cache, with what the file has."""
        self._cache = config.create_runtime_cache()
        if self.path.is_file():
            data = self.path.read_bytes()
            # It refuses what another driver or version compiled; then everything is compiled anew.
            self.warm = bool(self._cache.deserialize(data))
            self._saved = len(data) if self.warm else -1
        config.set_runtime_cache(self._cache)

    def save(self) -> None:
        """Write the file where kernels have been added since."""
        with self._lock:
            data = bytes(self._cache.serialize())
            if len(data) == self._saved:
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, data)
            self._saved = len(data)
