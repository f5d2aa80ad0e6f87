"""What the driver is asked, on an imagined one."""

from __future__ import annotations

import ctypes

import pytest

from benchmarks.gpu.device import Gpu, NoGpuError, find_gpu


class Driver:
    """`libcuda.so.1` of a machine."""

    def __init__(self, devices: int = 1, error: int = 0) -> None:
        self.devices, self.error = devices, error

    def cuInit(self, flags: int) -> int:
        return self.error

    def cuDeviceGetCount(self, number) -> int:
        number._obj.value = self.devices
        return 0

    def cuDeviceGetName(self, name: ctypes.Array[ctypes.c_char], size: int, device: int) -> int:
        name.value = b"NVIDIA H200"
        return 0

    def cuDriverGetVersion(self, number) -> int:
        number._obj.value = 13010
        return 0

    def cuDeviceGetAttribute(self, number, attribute: int, device: int) -> int:
        number._obj.value = {75: 9, 76: 0}[attribute]
        return 0


def test_a_gpu_is_described_by_its_driver() -> None:
    found = find_gpu(lambda name: Driver(), lambda: "580.1")
    assert found == Gpu("NVIDIA H200", "9.0", "13.1", "580.1")
    assert found.slug == "nvidia-h200"


def test_how_a_gpu_is_missing() -> None:
    def no_driver(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(NoGpuError, match="no NVIDIA driver"):
        find_gpu(no_driver)
    with pytest.raises(NoGpuError, match="no GPU is visible"):
        find_gpu(lambda name: Driver(devices=0))
    with pytest.raises(NoGpuError, match="CUDA error 100"):
        find_gpu(lambda name: Driver(error=100))
