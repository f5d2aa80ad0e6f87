"""Puts together the folder that a Hugging Face space holds: application, card, runtime, bundle, images."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from groupvit_export.data.bundled import DEMO_SAMPLE, DEMO_SCENES
from groupvit_runtime.files import check_replaceable, staged_folder

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "runtimes" / "python"


def assemble(output: Path, bundle: Path | None, *, force: bool) -> None:
    """Write the folder.

    Args:
        output: that it is.
        bundle: of a CPU's target; None to export the demo.
        force: replace it.
    """
    check_replaceable(output, force=force)
    with staged_folder(output, force=force) as stage:
        for name in ("app.py", "README.md", "requirements.txt"):
            shutil.copy(HERE / name, stage)
        _wheel(stage)
        (stage / "images").mkdir()
        for image in (DEMO_SAMPLE, min((DEMO_SCENES / "images").iterdir())):
            shutil.copy(image, stage / "images")
        if bundle is None:
            command = ["export", "--target", "openvino", "--precision", "fp32", "--quiet"]
            command += ["-o", str(stage / "bundle")]
            subprocess.run([sys.executable, "-m", "groupvit_export", *command], check=True)
        else:
            shutil.copytree(bundle, stage / "bundle")


def _wheel(folder: Path) -> None:
    """Of the runtime; built elsewhere, so that the clone stays as it is and what lies there stays out."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "runtime"
        shutil.copytree(RUNTIME, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        command = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
        subprocess.run([sys.executable, "-m", *command], check=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder to write")
    parser.add_argument("--bundle", type=Path, help="a bundle for a CPU; default: the demo is exported")
    parser.add_argument("--force", action="store_true", help="replace the folder")
    given = parser.parse_args()
    assemble(given.output, given.bundle, force=given.force)


if __name__ == "__main__":
    main()
