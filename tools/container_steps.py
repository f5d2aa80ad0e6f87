"""Runs the steps of a Dockerfile without a container builder: by chroot, in copies of a root by debootstrap.

Usage (as root): python tools/container_steps.py DOCKERFILE BASE OUT BUNDLE
BASE stands for the image that the stages are made from: `debootstrap --variant=minbase bookworm BASE`.
BUNDLE is what the server is then given: it runs as the Dockerfile's user, on a root mounted read-only, with
no network but a loopback of its own, until the Dockerfile's health check passes. Prints sizes as JSON.
What this machine knows of package indexes (resolver, certificates, pip's and apt's settings) is lent to the
steps.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LENT: Final = (
    "etc/resolv.conf",
    "etc/hosts",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/apt/sources.list.d",
    "etc/apt/sources.list",
    "etc/apt/apt.conf.d",
)
_SECONDS: Final = 120
_SERVE: Final = """
set -eu
ip link set lo up
mount --bind "$ROOT" "$ROOT"
mkdir -p "$ROOT/bundle"
mount --bind "$BUNDLE" "$ROOT/bundle"
mount -t proc proc "$ROOT/proc"
mount -o remount,bind,ro "$ROOT"
mount -t tmpfs tmpfs "$ROOT/tmp"
# The process itself, so that signals reach it.
inside() { exec env -i $VARIABLES chroot --userspec="$USER_ID:$USER_ID" "$ROOT" "$@"; }
if (inside sh -c 'touch /written /opt/written') 2>/dev/null; then echo "the root can be written"; exit 1; fi
inside $ENTRYPOINT &
server=$!
left=$SECONDS_LEFT
until (inside python3 -c "$CHECK") 2>/dev/null; do
    left=$((left - 1)); test $left -gt 0; kill -0 $server; sleep 1
done
kill -TERM $server
wait $server
"""


@dataclass
class Stage:
    """One that is made."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"
    entrypoint: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile's, in order, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def step(stage: Stage, name: str, rest: str, stages: dict[str, Stage], context: Path) -> None:
    """Carry out one instruction.

    Raises:
        ValueError: it is not known here.
    """
    match name:
        case "ARG":
            key, _, value = rest.partition("=")
            stage.arguments[key] = value
        case "ENV":
            pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
            path = stage.variables.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            stage.variables |= {key: value.replace("$PATH", path) for key, value in pairs.items()}
        case "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "COPY":
            copy(stage, shlex.split(rest), stages, context)
        case "RUN":
            run(stage, rest)
        case "USER":
            stage.user = rest
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        case "HEALTHCHECK":
            stage.check = json.loads(rest.partition("CMD")[2])
        case "EXPOSE" | "STOPSIGNAL":
            pass
        case _:
            raise ValueError(f"{name} is not known here")


def copy(stage: Stage, words: list[str], stages: dict[str, Stage], context: Path) -> None:
    """COPY: files into a folder, folders as what they are called there."""
    origin = context
    if words[0].startswith("--from="):
        origin = stages[words.pop(0).removeprefix("--from=")].root
    *sources, target = words
    place = stage.root / (Path(stage.folder) / target).as_posix().lstrip("/")
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in sources:
        source = origin / name.lstrip("/")
        if source.is_dir():
            ignored = skipped if origin == context else None
            shutil.copytree(source, place, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)


def run(stage: Stage, command: str) -> None:
    """RUN, with what this machine knows of indexes lent to it."""
    lent = [name for name in _LENT if Path("/", name).exists()]
    kept = {}
    for name in lent:
        place = stage.root / name
        kept[name] = place.with_name(place.name + ".kept")
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.rename(kept[name])
        if Path("/", name).is_dir():
            shutil.copytree(Path("/", name), place)
        else:
            shutil.copy(Path("/", name), place)
    indexes = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    usual = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    indexes |= usual | stage.arguments | stage.variables
    line = f"mount -t proc proc /proc && cd {shlex.quote(stage.folder)} && {{ {command}\n}}"
    subprocess.run(
        ["unshare", "-m", "chroot", stage.root, "/bin/sh", "-ec", line], check=True, env=indexes, stdout=2
    )
    for name, before in kept.items():
        place = stage.root / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        if before.exists():
            before.rename(place)


def serve(stage: Stage, bundle: Path) -> None:
    """Run the entry point until the health check passes, then end it.

    Raises:
        subprocess.CalledProcessError: it ended, never was healthy, could write, or did not end with 0.
    """
    variables = {"PATH": "/usr/bin:/bin", **stage.variables}
    given = {
        "ROOT": str(stage.root),
        "BUNDLE": str(bundle),
        "USER_ID": stage.user,
        "VARIABLES": " ".join(f"{key}={value}" for key, value in variables.items()),
        "ENTRYPOINT": " ".join(stage.entrypoint),
        "CHECK": stage.check[-1],
        "SECONDS_LEFT": str(_SECONDS),
    }
    subprocess.run(
        ["unshare", "-mn", "bash", "-c", _SERVE], check=True, env={**os.environ, **given}, stdout=2
    )


def main(dockerfile: Path, base: Path, out: Path, bundle: Path) -> None:
    """The command line."""
    context = dockerfile.resolve().parent.parent
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in instructions(dockerfile.read_text()):
        print(f"{name} {rest[:100]}", file=sys.stderr, flush=True)
        if name == "FROM":
            called = rest.split(" AS ")[1] if " AS " in rest else f"{len(stages)}"
            stage = stages[called] = Stage(out / called)
            out.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", base, stage.root], check=True)
        else:
            assert stage is not None, "the first instruction is FROM"
            step(stage, name, rest, stages, context)
    assert stage is not None
    sizes = {"base": megabytes(base), "image": megabytes(stage.root)}
    site = next((stage.root / "opt/groupvit/lib").glob("python3.*")) / "site-packages"
    packages = {path.name: megabytes(path) for path in site.iterdir() if path.is_dir()}
    largest = dict(sorted(packages.items(), key=lambda item: -item[1])[:6])
    serve(stage, bundle.resolve())
    print(json.dumps({"megabytes": sizes, "largest": largest, "healthy": True}, indent=2))


def megabytes(folder: Path) -> int:
    """What the files below a folder take on the disk."""
    done = subprocess.run(["du", "-sm", folder], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]))
