"""What keeps rows of two runs apart, and two runs out of one folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local_system import local_folder

from groupvit_export.bulk.options import SegmentOptions
from groupvit_export.bulk.settings import SETTINGS_NAME, begin, settings_of, the_only_run
from groupvit_export.errors import GroupViTError, UsageError
from groupvit_runtime import Vocabulary

OPTIONS = SegmentOptions(bundle="/models/b", digest="0" * 64, threads=2)
WORDS = Vocabulary(("lake", "Bäume"), np.eye(2, 4, dtype=np.float32), ("a {}",), "1" * 64)


def test_the_same_run_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    folder = local_folder(tmp_path)
    begin(folder, settings_of(OPTIONS, WORDS))
    # Where the bundle lies and what computes it changes no row.
    begin(folder, settings_of(replace(OPTIONS, bundle="/mnt/b", threads=1, device="cpu"), WORDS))
    other = Vocabulary(("lake", "trees"), WORDS.embeddings, WORDS.templates, WORDS.fingerprint)
    for settings, named in (
        (settings_of(OPTIONS, other), "names"),
        (settings_of(replace(OPTIONS, threshold=0.5), WORDS), "threshold"),
        (settings_of(replace(OPTIONS, digest="2" * 64), WORDS), "digest"),
    ):
        with pytest.raises(UsageError, match="another run") as caught:
            begin(folder, settings)
        assert str(caught.value.got).endswith(f": {named}")


def test_settings_that_somebody_damaged_are_named(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_NAME).write_text("{")
    with pytest.raises(GroupViTError, match="cannot be read") as caught:
        begin(local_folder(tmp_path), {})
    assert SETTINGS_NAME in str(caught.value.got)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = local_folder(tmp_path)
    with (
        the_only_run(folder),
        pytest.raises(GroupViTError, match="another run writes"),
        the_only_run(folder),
    ):
        pass
    # The first one has ended.
    with the_only_run(folder):
        pass
    assert list(tmp_path.iterdir()) == []
