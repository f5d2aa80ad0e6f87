"""Builds the documentation as a site, strictly: a link that leads nowhere fails it.

Usage: python -m tools.site OUTPUT
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.site.staging import stage

CONFIGURATION = Path(__file__).parent


def main() -> int:
    """The exit code of Sphinx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the folder to write")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory(prefix="groupvit-site-") as folder:
        stage(Path(folder))
        options = ["-W", "--keep-going", "-q", "-j", "auto", "-c", str(CONFIGURATION)]
        return subprocess.call([sys.executable, "-m", "sphinx", "-b", "html", *options, folder, str(output)])


if __name__ == "__main__":
    raise SystemExit(main())
