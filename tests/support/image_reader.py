"""A process that reads the images that it is sent, with little memory, and says what came of each."""

from __future__ import annotations

import json
import resource
import struct
import sys
import time
import traceback
from pathlib import Path

from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image

_SETTLED = b"\x89PNG not one"


def status(name: str) -> int:
    """KiB, of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def outcome(data: bytes) -> dict[str, object]:
    start = time.process_time()
    try:
        shape: object = read_image(data).shape
        what, says = "read", ""
    except ImageError as error:
        what, says, shape = "refused", str(error), None
        if "does not fit into the memory" in says:
            what = "no memory"
        elif not (error.got and error.expected):
            what = "says too little"
    except Exception as error:  # noqa: BLE001 - whatever it is is what is looked for
        what, says, shape = type(error).__name__, traceback.format_exc(), None
    seconds = time.process_time() - start
    return {"what": what, "says": says[-2000:], "shape": shape, "seconds": seconds}


def main(limit_bytes: int) -> None:
    outcome(_SETTLED)
    before = status("VmSize") * 1024
    resource.setrlimit(resource.RLIMIT_AS, (before + limit_bytes, before + limit_bytes))
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while head := stdin.read(4):
        data = stdin.read(struct.unpack("<I", head)[0])
        resident = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        found = outcome(data)
        found["peak_kib"] = status("VmHWM") - resident
        stdout.write(json.dumps(found).encode() + b"\n")
        stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
