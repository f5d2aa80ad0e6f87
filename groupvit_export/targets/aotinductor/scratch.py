"""The folder that Inductor compiles in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from torch._inductor.utils import clear_caches

from groupvit_runtime.temporary import scratch_folder_of_one

_CACHE: Final = "TORCHINDUCTOR_CACHE_DIR"
_NAME: Final = "inductor"


@contextlib.contextmanager
def scratch_cache() -> Iterator[Path]:
    """A cache that goes with the build: Inductor keeps every engine it ever made, weights included.

    Its path is the same in every build of a user, for it is in the package: in comments, in messages, and by
    these in names of files, which are hashes. One build at a time has it; others wait.
    """
    before = os.environ.get(_CACHE)
    with scratch_folder_of_one(_NAME) as folder:
        os.environ[_CACHE] = str(folder)
        # They remember paths in the cache.
        clear_caches()
        try:
            yield folder
        finally:
            clear_caches()
            if before is None:
                del os.environ[_CACHE]
            else:
                os.environ[_CACHE] = before
