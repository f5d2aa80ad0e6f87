"""A Debian with nothing but Python, make and git in it, entered by chroot: a stranger's machine."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RELEASE: Final = "bookworm"
"""The Debian that brings Python 3.11, the oldest that is supported."""

PACKAGES: Final = ("ca-certificates", "git", "make", "python3", "python3-venv")
"""What the README takes for granted, and what a clone was fetched with."""

_MIRROR: Final = "http://deb.debian.org/debian"
_CLONE: Final = Path("root/clone")
_WHEELS: Final = Path("root/wheels")

# How this machine reaches the network is no part of a fresh one.
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_PIP: Final = ("PIP_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT")
_CERTIFICATES: Final = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_ENTER: Final = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
exec chroot "$@"
"""


class CannotBeMadeError(Exception):
    """This machine cannot have a fresh root; the text says what is missing."""


@dataclass(frozen=True)
class FreshRoot:
    """A Debian with a clean clone of the repository.

    Attributes:
        folder: its root, as seen from outside.
        environment: all the variables that a command in it sees.
    """

    folder: Path
    environment: Mapping[str, str]

    @property
    def clone(self) -> Path:
        """The repository in it, as seen from outside."""
        return self.folder / _CLONE

    def add_wheel(self, wheel: Path) -> Path:
        """Copy a wheel into it; returns its path as seen from inside."""
        (self.folder / _WHEELS).mkdir(exist_ok=True)
        shutil.copy(wheel, self.folder / _WHEELS)
        return Path("/") / _WHEELS / wheel.name

    def run(self, command: str, log: Path) -> int:
        """Run a shell command in the clone, with mounts and processes that end with it.

        Args:
            command: for `sh`.
            log: gets what it prints, both streams.

        Returns:
            Its exit status.
        """
        inside = f"cd {shlex.quote(str(Path('/') / _CLONE))} && {command}"
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh"]
        with log.open("w") as file:
            done = subprocess.run(
                [*apart, self.folder, "/usr/bin/env", "-i", *variables, "sh", "-c", inside],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return done.returncode

    def remove(self) -> None:
        """Delete it, unless something of this machine is still mounted in it."""
        if any((self.folder / name).is_mount() for name in ("proc", "sys", "dev")):
            raise RuntimeError(f"{self.folder} has mounts of this machine: umount them, then delete it")
        shutil.rmtree(self.folder)


def make_fresh_root(folder: Path, repository: Path) -> FreshRoot:
    """Install a minimal Debian and clone the repository's last commit into it.

    Args:
        folder: does not exist yet.
        repository: a git repository.

    Raises:
        CannotBeMadeError: no root's rights, no debootstrap, no mounts, no git repository, no network.
        subprocess.CalledProcessError: it should have worked and did not.
    """
    _check_machine(repository)
    log = folder.with_name(f"{folder.name}.debootstrap.log")
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    with log.open("w") as file:
        done = subprocess.run([*command, RELEASE, folder, _mirror()], stdout=file, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        printed = log.read_text()
        if "Failed getting release file" in printed:
            raise CannotBeMadeError(f"{_mirror()} cannot be reached")
        raise RuntimeError(f"debootstrap failed with {done.returncode}:\n{printed[-2000:]}")
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        **_network(folder),
    }
    clone = ["git", "clone", "--quiet", "--no-hardlinks", repository, folder / _CLONE]
    subprocess.run(clone, check=True)
    return FreshRoot(folder, environment)


def fetch_torch(folder: Path, constraints: Path) -> Path:
    """The wheel of the pinned PyTorch for the Python in a fresh root, by whatever way pip has here.

    A local CPU build, where pip is told of one, spares the root gigabytes of CUDA.

    Raises:
        subprocess.CalledProcessError: pip found none.
    """
    pinned = re.search(r"^torch==\S+$", constraints.read_text(), re.MULTILINE)
    assert pinned is not None
    machine = platform.machine()
    platforms = [f"{kind}_{machine}" for kind in ("linux", "manylinux_2_28", "manylinux2014")]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"),
            *("--python-version", "3.11", *(part for name in platforms for part in ("--platform", name))),
            *("--dest", folder, pinned[0]),
        ],
        check=True,
    )
    (wheel,) = folder.glob("torch-*.whl")
    return wheel


def _check_machine(repository: Path) -> None:
    if sys.platform != "linux":
        raise CannotBeMadeError("only Linux has one")
    if os.geteuid() != 0:
        raise CannotBeMadeError("only root may change the root")
    for tool, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git")):
        if shutil.which(tool) is None:
            raise CannotBeMadeError(f"{tool} is missing: apt-get install {package}")
    if not (repository / ".git").exists():
        raise CannotBeMadeError(f"{repository} is no git repository, so there is nothing to clone")
    mounting = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(mounting, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotBeMadeError(f"nothing can be mounted here: {done.stderr.strip()}")


def _mirror() -> str:
    """Where this machine's own packages of that release come from; Debian's own mirror on another system."""
    lists = [
        "apt-get",
        "indextargets",
        "--format",
        "$(CODENAME) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]
    done = subprocess.run(lists, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    found = [row[2] for row in rows if row[:2] == [RELEASE, "main"]]
    return found[0] if found else _MIRROR


def _network(folder: Path) -> dict[str, str]:
    """Give a root this machine's way to the network: names, certificates, proxies, apt's settings."""
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    acquire = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout.splitlines()
    settings = [line for line in acquire if line.startswith("Acquire::")]
    (folder / "etc/apt/apt.conf.d/99network").write_text("\n".join([*settings, ""]))
    names = (*_PROXIES, *map(str.upper, _PROXIES), *_PIP)
    variables = {name: os.environ[name] for name in names if name in os.environ}
    for name in _CERTIFICATES:
        source = Path(os.environ.get(name, ""))
        if source.is_file():
            variables[name] = f"/etc/ssl/certs/{name}.crt"
            shutil.copy(source, folder / variables[name].lstrip("/"))
    return variables
