"""Damaged images of every format, for as long as is asked: each is read, or refused by an `ImageError`.

python tests/soak/images.py SECONDS [--seed N] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np

SUPPORT: Final = Path(__file__).resolve().parents[1] / "support"
sys.path[:0] = [] if str(SUPPORT) in sys.path else [str(SUPPORT)]

from image_mutations import mutated  # noqa: E402
from image_seeds import sound_images  # noqa: E402

MOST_SECONDS: Final = 5.0
"""Of the processor: others may use it, too."""
_PATIENCE: Final = 120.0
MOST_BYTES: Final = 2 << 30
_FINE: Final = ("read", "refused")


class Reader:
    """A process of `image_reader`, started again when it had to be ended."""

    def __init__(self, folder: Path) -> None:
        self._noise = folder / f"stderr-{id(self)}"
        self._process: subprocess.Popen[bytes] | None = None

    def outcome(self, data: bytes) -> dict[str, Any]:
        """What came of reading it, and what was written to standard error meanwhile."""
        process = self._process if self._process is not None else self._start()
        before = self._noise.stat().st_size
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(struct.pack("<I", len(data)) + data)
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
        line = process.stdout.readline() if ready else b""
        found: dict[str, Any] = json.loads(line) if line else {"says": "", "seconds": _PATIENCE}
        if found["seconds"] > MOST_SECONDS:
            found["what"] = "takes too long"
        if not line:
            found["what"] = "takes too long" if not ready else f"ends the process ({process.wait()})"
            self.close()
        with self._noise.open("rb") as file:
            file.seek(before)
            found["stderr"] = file.read().decode(errors="replace")
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "always"}
        with self._noise.open("ab") as noise:
            self._process = subprocess.Popen(
                [sys.executable, str(SUPPORT / "image_reader.py"), str(MOST_BYTES)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=noise,
                env=environment,
            )
        return self._process


def run(
    seconds: float, *, seed: int = 0, keep: Path | None = None, most: int | None = None, verbose: bool = False
) -> dict[str, int]:
    """Fuzz.

    Args:
        seconds: for how long.
        seed: of the damage.
        keep: a folder for what was neither read nor refused.
        most: inputs; None for as many as the time allows.
        verbose: print what falls out.

    Returns:
        How many inputs there were (``inputs``), what came of them, and ``failures``: all that was neither
        read nor refused.
    """
    rng, seeds = np.random.default_rng(seed), sound_images()
    names, others = sorted(seeds), list(seeds.values())
    counts: Counter[str] = Counter(inputs=0, failures=0)
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder))
        while time.monotonic() < end and counts["inputs"] != most:
            name = names[int(rng.integers(len(names)))]
            data = mutated(seeds[name], rng, others)
            found = reader.outcome(data)
            counts["inputs"] += 1
            counts[found["what"]] += 1
            counts[f"inputs {name.rsplit('.', 1)[1]}"] += 1
            counts["wrote to standard error"] += bool(found["stderr"])
            counts["most KiB"] = max(counts["most KiB"], found.get("peak_kib", 0))
            if found["what"] not in _FINE:
                counts["failures"] += 1
                _keep(name, data, found, keep)
            if verbose and (found["what"] not in _FINE or found["stderr"]):
                last = (found["says"].strip().splitlines() or [""])[-1]
                print(f"{name}: {found['what']}: {last} {found['stderr'].strip()[:300]}")
        reader.close()
    return dict(counts)


def _keep(name: str, data: bytes, found: dict[str, Any], keep: Path | None) -> None:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        path = keep / f"{hashlib.sha256(data).hexdigest()[:12]}-{name}"
        path.write_bytes(data)
        path.with_name(f"{path.name}.json").write_text(json.dumps(found), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    counts = run(arguments.seconds, seed=arguments.seed, keep=arguments.keep, verbose=True)
    print(json.dumps(counts, indent=1))
    sys.exit(counts["failures"] > 0)


if __name__ == "__main__":
    main()
