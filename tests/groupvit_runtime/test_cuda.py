"""What CUDA says, in words."""

from __future__ import annotations

import numpy as np
import pytest
from fake_gpu import FakeCuda

from groupvit_runtime.engines.cuda import Cuda, open_cuda
from groupvit_runtime.errors import EngineError


def test_no_driver() -> None:
    with pytest.raises(EngineError, match="no NVIDIA driver(.|\n)*another target"):
        Cuda(FakeCuda(driver=0))


def test_a_driver_that_is_too_old_says_both_versions() -> None:
    with pytest.raises(EngineError, match=r"too old(.|\n)*CUDA 12\.4(.|\n)*CUDA 13\.5(.|\n)*bindings<13"):
        Cuda(FakeCuda(driver=12040))


def test_a_driver_without_a_gpu() -> None:
    with pytest.raises(EngineError, match="no GPU is visible(.|\n)*CUDA_VISIBLE_DEVICES"):
        Cuda(FakeCuda(devices=0))


def test_the_device_is_named() -> None:
    device = Cuda(FakeCuda(driver=13020, compute_capability=(12, 0))).device
    assert (device.name, device.compute_capability, device.driver) == ("Imagined GPU", "12.0", "13.2")


def test_this_machine_is_asked_and_answers() -> None:
    # With a GPU it has a device, without one a reason: never an exception of another kind.
    pytest.importorskip("cuda.bindings")
    try:
        assert open_cuda().device.name
    except EngineError as error:
        assert error.fix


def test_memory_comes_poisoned_and_goes_round() -> None:
    api = FakeCuda()
    cuda = Cuda(api)
    stream = cuda.stream()
    device = cuda.allocate(16)
    address, host = cuda.pinned(16)
    assert (host == 0xFF).all()
    host[:] = np.arange(16)
    cuda.to_device(device, address, 16, stream)
    host[:] = 0
    cuda.to_host(address, device, 16, stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(host, np.arange(16))
    cuda.free(device)
    cuda.free_pinned(address)
    cuda.destroy_stream(stream)
    assert not api.live and not api.streams


def test_an_error_code_is_an_exception_with_its_text() -> None:
    api = FakeCuda()
    cuda = Cuda(api)
    stream = cuda.stream()
    api.cudaStreamBeginCapture(stream, 1)
    with pytest.raises(EngineError, match=r"cudaStreamSynchronize(.|\n)*error 401: illegal_state"):
        cuda.synchronize(stream)
