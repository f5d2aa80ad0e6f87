"""`groupvit bulk` on Ray itself: killed and gone on with, with actors that die, of tables and tar files."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from groupvit_runtime import Segmenter

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = REPOSITORY / "tests" / "support" / "bulk_in_ray.py"
WORDS = ["water", "grass", "red car"]
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Could not fetch URL")
MOTO = "moto[server]==5.2.5"
"""A server that answers as S3 does."""
SECONDS = 300
"""For what takes twenty on a machine that does nothing else."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with Ray and the toolkit's dependencies, made for this, or GROUPVIT_RAY_PYTHON."""
    if "GROUPVIT_RAY_PYTHON" in os.environ:
        return Path(os.environ["GROUPVIT_RAY_PYTHON"])
    folder = tmp_path_factory.mktemp("ray")
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    install: list[str | Path] = [interpreter, "-m", "pip", "install", "-q"]
    done = subprocess.run(
        [*install, "-c", REPOSITORY / "constraints.txt", *_requirements(), MOTO],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    )
    if UNREACHABLE.search(done.stderr) and done.returncode:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr[-4000:]
    return interpreter


def _requirements() -> list[str]:
    """Of both distributions with ONNX Runtime and Ray; they themselves are on the path."""
    export, runtime = (
        tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in (REPOSITORY, REPOSITORY / "runtimes" / "python")
    )
    wanted = [*export["dependencies"], *runtime["dependencies"]]
    wanted += [*runtime["optional-dependencies"]["onnxruntime"], *export["optional-dependencies"]["ray"]]
    return [requirement for requirement in wanted if not requirement.startswith("groupvit")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """With an empty home, and a folder of temporary files whose path is short enough for sockets."""
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.fixture
def environment(place: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place / "home"),
        "PYTHONPATH": os.pathsep.join(
            map(str, (REPOSITORY, REPOSITORY / "runtimes" / "python", SCRIPT.parent))
        ),
    }


@pytest.fixture
def bundle(demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles["onnx"]


Command = Callable[..., list[str | Path]]


@pytest.fixture
def bulk(python: Path, bundle: Path) -> Command:
    def command(images: Path | str, output: Path | str, *more: str) -> list[str | Path]:
        program: list[str | Path] = [python, "-m", "groupvit_export", "bulk", bundle, images, output]
        return [*program, "--labels", ",".join(WORDS), "--actors", "2", "--batch-size", "4", "--json", *more]

    return command


@pytest.fixture
def rows(python: Path, environment: dict[str, str]) -> Callable[[Path], list[dict[str, Any]]]:
    def read(output: Path) -> list[dict[str, Any]]:
        done = subprocess.run([python, SCRIPT, "rows", output], capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return sorted(found, key=lambda row: str(row["path"]))

    return read


@pytest.fixture
def images(place: Path, scenes) -> Path:
    """Forty, in two folders."""
    folder = place / "images"
    for index in range(40):
        target = folder / ("a" if index % 2 else "b") / f"Bäume {index:02d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(scenes.image(index), target)
    return folder


def _run(
    command: Sequence[str | Path], environment: dict[str, str], status: int | None = 0
) -> tuple[dict[str, Any], str]:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS)
    assert status is None or done.returncode == status, done.stderr
    # What Ray itself says of actors that died may come before.
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_every_image_has_its_row(
    place: Path, images: Path, environment: dict[str, str], bulk: Command, rows: Any, bundle: Path
) -> None:
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff but no more")
    output = place / "out"
    count, error = _run(bulk(images, output), environment, status=1)
    assert (count["images"], count["failed"], count["before"]) == (41, 1, 0)
    assert error == "groupvit: 1 of 41 images failed; their rows have an error\n"
    # Ray is told to write nothing there.
    assert list((place / "home").rglob("*")) == []

    found = rows(output)
    paths = sorted(str(path) for path in images.rglob("*.*"))
    assert [row["path"] for row in found] == paths
    segmenter = Segmenter.load(bundle, threads=1)
    for row in found:
        if row["path"].endswith("broken.jpg"):
            assert row["error"] and row["labels"] is None and row["shares"] is None
            continue
        result = segmenter(Path(row["path"]), WORDS)
        with Image.open(BytesIO(base64.b64decode(row["labels"]))) as image:
            assert np.array_equal(np.asarray(image), result.labels), row["path"]
        assert dict(row["shares"]) == result.shares() and dict(row["scores"]) == result.scores
        assert [row["height"], row["width"]] == list(result.labels.shape)
        assert row["error"] is None and row["names"] == list(result.names)

    count, error = _run(bulk(images, output), environment)
    assert (count["images"], count["before"], count["left"], error) == (0, 41, 0, "")


def _wait_for(found: Callable[[], Any], process: subprocess.Popen[Any]) -> Any:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        if result := found():
            return result
        time.sleep(0.02)
    raise AssertionError(f"it did not come to that: {process.poll()}")


def _below(parent: int) -> list[tuple[int, bytes]]:
    """Numbers and command lines of a process's children, and theirs."""
    lines, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            lines[int(folder.name)] = (folder / "cmdline").read_bytes()
    found, new = [], {parent}
    while new:
        new = {number for number, of in parents.items() if of in new}
        found += [(number, lines.get(number, b"")) for number in new]
    return found


def _parts(output: Path) -> list[Path]:
    return list(output.glob("part-*.parquet"))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_run_that_is_killed_is_gone_on_with(
    place: Path, images: Path, environment: dict[str, str], bulk: Command, rows: Any
) -> None:
    output = place / "out"
    with subprocess.Popen(
        bulk(images, output), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        _wait_for(lambda: len(_parts(output)) >= 2, process)
        started = _below(process.pid)
        process.kill()
    # At once: what the dead run started may not write what this one segments, too.
    count, _ = _run(bulk(images, output), environment)
    actors = [number for number, line in started if b"MapWorker" in line]
    assert actors and not [
        number for number, line in started if number in actors and _still_runs(number, line)
    ]
    assert 8 <= count["before"] < 40 and count["images"] == 40 - count["before"]
    found = rows(output)
    assert [row["path"] for row in found] == sorted(str(path) for path in images.rglob("*.png"))
    assert all(row["error"] is None for row in found)
    assert not list(output.glob("_begun*"))


def _still_runs(number: int, line: bytes) -> bool:
    with suppress(OSError):
        return bool(line) and Path(f"/proc/{number}/cmdline").read_bytes() == line
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_an_actor_that_is_killed_loses_and_doubles_nothing(
    place: Path, images: Path, environment: dict[str, str], bulk: Command, rows: Any
) -> None:
    output = place / "out"
    with subprocess.Popen(
        bulk(images, output), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        # It works on a batch now.
        _wait_for(lambda: list(output.glob("_begun*")), process)
        actors = [number for number, line in _below(process.pid) if b"MapWorker" in line]
        assert actors
        os.kill(actors[0], signal.SIGKILL)
        written, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, error
    assert json.loads(written)["images"] == 40
    found = rows(output)
    assert [row["path"] for row in found] == sorted(str(path) for path in images.rglob("*.png"))
    assert all(row["error"] is None for row in found)


def test_an_image_that_ends_its_process_ends_no_run(
    place: Path, images: Path, environment: dict[str, str], python: Path, rows: Any, bundle: Path
) -> None:
    shutil.copy(next(images.rglob("*.png")), images / "a" / "Bäume 09 poison.png")
    folder, output = images / "a", place / "out"
    count, _ = _run([python, SCRIPT, "poison", bundle, folder, output], environment)
    assert count == {"images": 21, "failed": 1}
    found = {Path(row["path"]).name: row["error"] for row in rows(output)}
    assert len(found) == 21
    assert [name for name, error in found.items() if error] == ["Bäume 09 poison.png"]
    assert "its process ended" in found["Bäume 09 poison.png"]


@pytest.fixture
def zeros(place: Path, images: Path) -> Path:
    """Images whose last bytes are zeros, and one of none."""
    folder = place / "zeros"
    folder.mkdir()
    for index, path in enumerate(sorted(images.rglob("*.png"))[:6]):
        data = path.read_bytes()
        (folder / f"{index}.png").write_bytes(data + b"\0" * index)
    (folder / "9.png").write_bytes(b"")
    return folder


def test_a_table_of_images(
    place: Path, zeros: Path, environment: dict[str, str], bulk: Command, rows: Any, python: Path
) -> None:
    table, output = place / "t.parquet", place / "out"
    subprocess.run([python, SCRIPT, "table", zeros, table], env=environment, check=True)
    with pytest.raises(AssertionError, match="no such column"):
        _run(bulk(table, output), environment)
    columns = ("--path-column", "key", "--image-column", "data", "--label-maps", "files")
    count, _ = _run(bulk(table, output, *columns), environment, status=1)
    assert (count["images"], count["failed"], count["left"]) == (7, 1, None)
    found = rows(output)
    assert [row["path"] for row in found] == [path.name for path in sorted(zeros.iterdir())]
    assert [row["path"] for row in found if row["error"]] == ["9.png"]
    files = [output / row["labels_file"] for row in found if not row["error"]]
    assert len(set(files)) == 6 and all(file.is_file() for file in files)

    # Half of it is lost.
    _parts(output)[0].unlink()
    count, _ = _run(bulk(table, output, *columns), environment, status=None)
    assert count["images"] == 7 - count["before"] > 0
    assert [row["path"] for row in rows(output)] == [row["path"] for row in found]


def test_a_tar_file_of_images(
    place: Path, zeros: Path, environment: dict[str, str], bulk: Command, rows: Any
) -> None:
    shard, output = place / "shard-0.tar", place / "out"
    with tarfile.open(shard, "w") as tar:
        for path in sorted(zeros.iterdir()):
            tar.add(path, path.name)
            data = b'{"caption": "a lake"}'
            member = tarfile.TarInfo(f"{path.stem}.json")
            member.size = len(data)
            tar.addfile(member, BytesIO(data))
    count, _ = _run(bulk(shard, output, "--label-maps", "png"), environment, status=1)
    assert (count["images"], count["failed"]) == (7, 1)
    found = rows(output)
    assert [row["path"] for row in found] == [f"{shard}#{name}" for name in (*range(6), 9)]
    assert [row["path"] for row in found if row["error"]] == [f"{shard}#9"]


@pytest.fixture
def bucket(place: Path, zeros: Path, environment: dict[str, str], python: Path) -> Iterator[dict[str, str]]:
    """The environment in which ``s3://bucket`` has the images, below ``photos``, and a text."""
    if subprocess.run([python, "-c", "import moto.server, flask"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f"the server of the bucket is missing: {python} -m pip install '{MOTO}'")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    command = [python, "-m", "moto.server", "-p", address.rpartition(":")[2]]
    with (
        (place / "server.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            _put(f"{address}/bucket", b"", server)
            for path in zeros.iterdir():
                _put(f"{address}/bucket/photos/{path.name}", path.read_bytes(), server)
            _put(f"{address}/bucket/photos/read.me", b"no image", server)
            yield environment | {
                "AWS_ENDPOINT_URL": address,
                "AWS_ACCESS_KEY_ID": "anyone",
                "AWS_SECRET_ACCESS_KEY": "anything",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.kill()


def _put(url: str, data: bytes, server: subprocess.Popen[bytes]) -> None:
    request = Request(url, data, {"Content-Type": "application/octet-stream"}, method="PUT")
    end = time.monotonic() + SECONDS
    while True:
        try:
            urlopen(request, timeout=SECONDS).close()
            return
        except URLError:
            # It does not listen yet.
            assert server.poll() is None and time.monotonic() < end
            time.sleep(0.2)


def test_a_bucket_of_images(bucket: dict[str, str], bulk: Command, python: Path) -> None:
    images, output = "s3://bucket/photos", "s3://bucket/rows"
    count, _ = _run(bulk(images, output), bucket, status=1)
    assert (count["images"], count["failed"], count["before"]) == (7, 1, 0)
    count, _ = _run(bulk(images, output), bucket)
    assert (count["images"], count["before"]) == (0, 7)
    done = subprocess.run([python, SCRIPT, "rows", output], capture_output=True, env=bucket)
    assert done.returncode == 0, done.stderr
    found = {row["path"]: row["error"] for row in json.loads(done.stdout)}
    assert sorted(found) == [f"{images}/{name}.png" for name in (*range(6), 9)]
    assert [path for path, error in found.items() if error] == [f"{images}/9.png"]
    with_secret = bulk("s3://key:secret@bucket/photos", output)
    done = subprocess.run(with_secret, capture_output=True, env=bucket)
    assert done.returncode and b"AWS_SECRET_ACCESS_KEY" in done.stderr
