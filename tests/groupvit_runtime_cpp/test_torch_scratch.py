"""What the C++ runtime unpacks goes with it, or with whoever unpacks next where it was killed."""

from __future__ import annotations

from pathlib import Path

import cpp_label_maps
import numpy as np
import pytest
from faults import KILL, Commands, Fault


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_for_long(
    cpp_torch_library: Path, torch_bundle: Path, tmp_path: Path
) -> None:
    images, written = tmp_path / "images.npz", tmp_path / "labels.npz"
    np.savez(images, one=np.zeros((32, 48, 3), np.uint8))
    command = ["python", cpp_label_maps.__file__, cpp_torch_library, torch_bundle, images, written, "sky"]
    with Commands(tmp_path / "harness", root=tmp_path / "nowhere") as commands:
        (done,) = commands.run(command)
        assert done.code == 0, done
        assert list(commands.temporary.iterdir()) == []
        for at in (len(done.operations) // 4, len(done.operations) // 2):
            commands.run(command, fault=Fault(at, KILL))
            assert list(commands.temporary.rglob("*")) != []
            (done,) = commands.run(command)
            assert done.code == 0, done
            assert list(commands.temporary.iterdir()) == []
