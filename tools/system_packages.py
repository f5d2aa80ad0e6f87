"""Installs what the tests of compiled code need from Debian or Ubuntu, or says the command that would."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Sequence

PACKAGES = {
    "g++": "g++",
    "clang": "clang",
    "libclang-rt-dev": "libclang-rt*-dev",
    "cmake": "cmake",
    "ninja-build": "ninja-build",
    "pkg-config": "pkg-config",
    "nlohmann-json3-dev": "nlohmann-json3-dev",
    "libgtest-dev": "libgtest-dev",
    "libjpeg-dev": "libjpeg*-dev",
    "libpng-dev": "libpng-dev",
    "libstb-dev": "libstb-dev",
    "locales": "locales",
    "chromium": "chromium",
}
"""By name, the pattern of the names that serve as well: a version's own package does."""

ELSEWHERE = (
    "The tests of compiled code need g++, clang with its sanitizers, CMake, Ninja, pkg-config, "
    "nlohmann-json, GoogleTest, libjpeg, libpng, stb and the sources of locales; this system has no "
    "apt-get to install them with."
)


def missing() -> tuple[str, ...] | None:
    """Names of the packages that are not installed; None where the system is not Debian's kind."""
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        return None
    asking = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\\n"]
    return tuple(
        name
        for name, pattern in PACKAGES.items()
        if "ii " not in subprocess.run([*asking, pattern], capture_output=True, text=True).stdout
    )


def command(packages: Sequence[str]) -> str:
    """What a user types to install them."""
    return f"sudo apt-get install {' '.join(packages)}"


def install(packages: Sequence[str], become: Sequence[str]) -> None:
    """Install them; apt-get's own output says what goes on, and what went wrong."""
    apt = [*become, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    subprocess.run([*apt, "update", "-qq"])
    subprocess.run([*apt, "install", "--yes", "--no-install-recommends", *packages])


def become_root() -> list[str] | None:
    """What goes before a command of root's, and asks for no password; None where this user may not."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is not None and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if everything is there in the end, else 1, or 0 with `--optional`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optional", action="store_true", help="succeed where something stays missing")
    failed = 0 if parser.parse_args(arguments).optional else 1
    wanted = missing()
    if wanted is None:
        print(ELSEWHERE, flush=True)
        return failed
    become = become_root() if wanted else None
    if wanted and become is not None:
        print(
            f"The tests of compiled code need these packages, which are installed: {' '.join(wanted)}",
            flush=True,
        )
        install(wanted, become)
        wanted = missing() or ()
    if wanted:
        print(f"Without these packages tests of compiled code are skipped:\n  {command(wanted)}", flush=True)
        return failed
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
