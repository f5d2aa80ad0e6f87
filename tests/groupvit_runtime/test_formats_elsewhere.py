"""labelme, Datumaro, CVAT's SDK and FiftyOne open what is written for them, where they are installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import types
import venv
from pathlib import Path

import numpy as np
import pytest
from made_results import blobs, made_result
from PIL import Image

# They do not agree on versions of their own dependencies with the toolkit's constraints.
PROGRAMS = ("labelme==6.3.1", "datumaro==1.13.12", "cvat-sdk[masks]==2.80.0", "fiftyone==1.22.1")
# What lies on the path of this Python is not there; pip would take it for installed.
ALONE = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Could not fetch URL")
SCRIPT = Path(__file__).resolve().parent.parent / "support" / "open_elsewhere.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that has the programs, made for this, or named by GROUPVIT_FORMATS_PYTHON."""
    if "GROUPVIT_FORMATS_PYTHON" in os.environ:
        return Path(os.environ["GROUPVIT_FORMATS_PYTHON"])
    folder = tmp_path_factory.mktemp("programs")
    venv.create(folder, with_pip=True)
    interpreter = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    done = subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", *PROGRAMS],
        capture_output=True,
        text=True,
        env=ALONE,
    )
    if UNREACHABLE.search(done.stderr) and done.returncode:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr[-4000:]
    return interpreter


@pytest.mark.slow
def test_other_programs_find_the_same_objects(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = blobs(7, (61, 83), smooth=2.0)
    labels[20:44, 30:60] = 2
    labels[24:30, 33:40] = labels[35:40, 45:58] = 0
    result = made_result(labels)
    objects = result.objects()
    (tmp_path / "cvat" / "images").mkdir(parents=True)
    Image.fromarray(result.image).save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "cvat" / "images")
    result.save_as(tmp_path / "a.json", "labelme", image=tmp_path / "a.png")
    result.save_as(tmp_path / "cvat" / "annotations.xml", "cvat", image=tmp_path / "a.png")
    # What FiftyOne is told, which its own classes take over there.
    monkeypatch.setitem(sys.modules, "fiftyone", types.SimpleNamespace(Detection=dict, Detections=dict))
    told = [{**one, "mask": one["mask"].tolist()} for one in result.to_fiftyone()["detections"]]
    (tmp_path / "detections.json").write_text(json.dumps(told))

    # A home of its own: FiftyOne and labelme write into it.
    surroundings = ALONE | {"HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([python, SCRIPT, tmp_path], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    for program in ("labelme", "datumaro", "cvat_sdk", "fiftyone"):
        found = np.load(tmp_path / f"{program}.npz")
        assert found["names"].tolist() == [item.name for item in objects], program
        for mask, item in zip(found["masks"], objects, strict=True):
            overlap = (mask & item.mask).sum() / (mask | item.mask).sum()
            # labelme draws polygons by Pillow; all others have the masks themselves.
            exact = program != "labelme" or bool(mask.sum() == item.area)
            assert overlap == 1 if exact else overlap >= (0.98 if item.area > 100 else 0.9), program
