"""`groupvit serve` on the loopback, held against calling the runtime in a loop in this process.

Usage: python -m benchmarks.serving [BUNDLE] [--requests N] [--malformed N] [--rounds N] [--callers N]
                                    [--image FILE] [--serve "--workers 2 ..."]
Without a bundle the demo is exported. Sides take turns: a loop of images in this process, as many requests
from so many callers on connections that stay open. Then N requests, with the server's memory before and
after; then malformed ones. Every phase is bounded by its number of requests.
Writes benchmarks/results/serving.json.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from benchmarks.record import circumstances, write_record
from groupvit_export.benchmark.machine import load_average
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmenter

_IMAGES_A_ROUND: Final = 300
_WARM: Final = 1000
_SECONDS: Final = 120


@dataclass(frozen=True)
class Request:
    """One of `POST /segment`."""

    body: bytes
    query: str
    headers: dict[str, str]


class Caller:
    """A connection that stays open, and is opened anew where the server closed it."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)

    def ask(self, request: Request) -> int:
        """The status; 0 where there was no answer."""
        try:
            path = f"/segment?{request.query}"
            self._connection.request("POST", path, request.body, request.headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0
        return response.status

    def get(self, path: str) -> str:
        """The body of what is at a path."""
        self._connection.request("GET", path)
        return self._connection.getresponse().read().decode()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def served(bundle: Path, options: Sequence[str]) -> Iterator[str]:
    """The address of a server, until the block ends."""
    command = [
        sys.executable,
        "-m",
        "groupvit_export",
        "serve",
        str(bundle),
        "--port",
        "0",
        "--json",
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not said.rstrip().endswith("}"):
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"the server ended: {shlex.join(command)}")
                said += line
            yield json.loads(said)["address"]
        finally:
            process.terminate()


def load(address: str, make: Callable[[int], Request], count: int, callers: int) -> dict[str, Any]:
    """Send `count` requests from so many callers.

    Returns:
        Requests a second, milliseconds at percentiles, and how many answers had which status.
    """
    numbers = iter(range(count))
    lock = threading.Lock()
    times: list[float] = []
    statuses: Counter[int] = Counter()

    def call() -> None:
        caller = Caller(address)
        own: list[tuple[float, int]] = []
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            request = make(number)
            began = time.perf_counter()
            own.append((caller.ask(request), time.perf_counter() - began)[::-1])
        caller.close()
        with lock:
            times.extend(seconds for seconds, _ in own)
            statuses.update(status for _, status in own)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=100)
    return {
        "per_second": round(count / elapsed, 2),
        "milliseconds": {f"p{at}": round(1000 * cuts[at - 1], 2) for at in (50, 95, 99)},
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
    }


def loop(segmenter: Segmenter, image: bytes, count: int) -> float:
    """Images a second of calls one after the other."""
    words = segmenter.vocabulary(DEMO_LABELS)
    began = time.perf_counter()
    for _ in range(count):
        segmenter(image, words)
    return count / (time.perf_counter() - began)


def memory(address: str) -> float:
    """MiB of the server that are resident."""
    caller = Caller(address)
    found = re.search(r"^process_resident_memory_bytes (\S+)$", caller.get("/metrics"), re.MULTILINE)
    caller.close()
    assert found is not None
    return float(found[1]) / (1 << 20)


def malformed(image: bytes) -> Callable[[int], Request]:
    """Requests that cannot be served, by their number."""
    query = urlencode({"labels": ",".join(DEMO_LABELS)})
    png = {"Content-Type": "image/png"}
    bomb = b"P5 99999 99999 255\n" + bytes(64)
    many = urlencode([("label", f"word {number}") for number in range(10_000)])

    def make(number: int) -> Request:
        draw = random.Random(number)
        kinds = (
            lambda: Request(image[: draw.randrange(len(image) * 3 // 4)], query, png),
            lambda: Request(draw.randbytes(draw.randrange(4000)), query, png),
            lambda: Request(bomb, query, png),
            lambda: Request(image, many, png),
            lambda: Request(image, "labels=", png),
            lambda: Request(image, f"{query}&threshold=high", png),
            lambda: Request(image, query, {"Content-Type": "text/plain"}),
            lambda: Request(image, query, {**png, "Accept": "text/html"}),
            lambda: Request(image, query, {"Content-Type": "multipart/form-data; boundary=X"}),
            lambda: Request(b"", query, png),
        )
        return kinds[number % len(kinds)]()

    return make


def measure(bundle: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All phases."""
    image = (arguments.image or DEMO_SAMPLE).read_bytes()
    query = urlencode({"labels": ",".join(DEMO_LABELS)})
    good = Request(image, query, {"Content-Type": "image/png", "Accept": "image/png"})
    segmenter = Segmenter.load(bundle)
    loop(segmenter, image, 20)
    with served(bundle, shlex.split(arguments.serve)) as address:
        load(address, lambda number: good, 50, arguments.callers)
        loops, rounds = [], []
        for _ in range(arguments.rounds):
            loops.append(loop(segmenter, image, _IMAGES_A_ROUND))
            rounds.append(load(address, lambda number: good, _IMAGES_A_ROUND, arguments.callers))
        alone = load(address, lambda number: good, _IMAGES_A_ROUND, 1)
        load(address, lambda number: good, _WARM, arguments.callers)
        before = memory(address)
        many = load(address, lambda number: good, arguments.requests, arguments.callers)
        after = memory(address)
        bad = load(address, malformed(image), arguments.malformed, arguments.callers)
        again = load(address, lambda number: good, 20, 1)
    ratio = statistics.median(one["per_second"] / images for one, images in zip(rounds, loops, strict=True))
    return {
        "runs": segmenter.engine_description,
        "loop_per_second": round(statistics.median(loops), 2),
        "server_per_second": statistics.median(one["per_second"] for one in rounds),
        "server_to_loop": round(ratio, 3),
        "saturated": rounds,
        "one_caller": alone,
        "many": {"requests": arguments.requests, **many},
        "memory_mib": {
            "before": round(before, 1),
            "after": round(after, 1),
            "growth_percent": round(100 * (after / before - 1), 2),
        },
        "malformed": bad,
        "afterwards": again["statuses"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--malformed", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--serve", default="", help="options of groupvit serve")
    arguments = parser.parse_args()
    before = load_average()
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.bundle
        if bundle is None:
            options = ExportOptions("openvino", precision="fp32", output=Path(folder) / "bundle")
            bundle = export_bundle(options).path
        found = measure(bundle, arguments)
    setting = {"callers": arguments.callers, "serve": arguments.serve, "images_a_round": _IMAGES_A_ROUND}
    print(json.dumps(found, indent=1))
    write_record("serving", {**circumstances(before, **setting), **found})


if __name__ == "__main__":
    main()
