"""Quotas of control groups, from trees as Linux lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from groupvit_export.benchmark.machine import this_machine
from groupvit_runtime import processors
from groupvit_runtime.engines.turns import calls_at_once
from groupvit_runtime.processors import cpu_quota, usable_cores


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),
        ("0::/not/seen\n", {"cpu.max": "200000 100000\n"}, 2),
        (
            "4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n",
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "300000\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            "4:cpuacct,cpu:/docker/x\n",
            {"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "50000\n"},
            0.5,
        ),
        (
            "4:cpu:/\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
    ],
)
def test_quota(membership: str, files: Mapping[str, str], quota: float | None, tmp_path: Path) -> None:
    (tmp_path / "membership").write_text(membership)
    root = tmp_path / "root"
    root.mkdir()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert cpu_quota(tmp_path / "membership", root) == quota


def test_a_system_without_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "missing", tmp_path) is None


def test_a_quota_limits_the_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "cpu_quota", lambda: 0.5)
    assert usable_cores() == calls_at_once() == this_machine().usable_cores == 1
    monkeypatch.setattr(processors, "cpu_quota", lambda: 1e6)
    assert 1 <= usable_cores() == this_machine().usable_cores <= this_machine().cores
