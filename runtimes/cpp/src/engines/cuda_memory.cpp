#include "engines/cuda_memory.hpp"

#include <algorithm>

namespace groupvit::detail {
namespace {

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

}  // namespace

DeviceInfo find_device() {
  int driver = 0, runtime = 0, count = 0;
  check_cuda(cudaDriverGetVersion(&driver), "ask for the driver");
  if (driver == 0) {
    throw Error(GROUPVIT_ERROR_ENGINE, "there is no NVIDIA driver on this machine", "no libcuda",
                "an NVIDIA GPU with its driver",
                "install the driver, start the container with --gpus all, or export for another target: "
                "groupvit export --target openvino");
  }
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    cudaGetLastError();
    check_cuda(cudaRuntimeGetVersion(&runtime), "ask for its own version");
    throw Error(GROUPVIT_ERROR_ENGINE, "the NVIDIA driver is too old", "a driver for CUDA " + version(driver),
                "one for CUDA " + version(runtime) + " or newer", "update the driver");
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    cudaGetLastError();
    throw Error(GROUPVIT_ERROR_ENGINE, "there is a driver, but no GPU is visible", "", "at least one device",
                "nvidia-smi lists the GPUs; CUDA_VISIBLE_DEVICES hides them");
  }
  check_cuda(error, "count the devices");
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, 0), "describe the GPU");
  return {properties.name, std::to_string(properties.major) + "." + std::to_string(properties.minor)};
}

bool DeviceBuffer::reserve(std::size_t bytes) {
  // An empty allocation has no address, and TensorRT takes no null.
  const std::size_t wanted = std::max<std::size_t>(bytes, 1);
  if (wanted <= capacity_) return false;
  release();
  const cudaError_t error = cudaMalloc(&device_, wanted);
  if (error == cudaErrorMemoryAllocation) {
    device_ = nullptr;
    cudaGetLastError();
    std::size_t free = 0, total = 0;
    check_cuda(cudaMemGetInfo(&free, &total), "say how much memory is free");
    throw Error(GROUPVIT_ERROR_ENGINE, "there is not enough memory on the GPU",
                std::to_string(free) + " of " + std::to_string(total) + " bytes free",
                std::to_string(wanted) + " bytes for a tensor",
                "stop other processes on the GPU, use smaller batches, or export with a smaller --batch");
  }
  check_cuda(error, "allocate device memory");
  check_cuda(cudaHostAlloc(&host_, wanted, cudaHostAllocDefault), "allocate page-locked memory");
  capacity_ = wanted;
  return true;
}

void DeviceBuffer::release() noexcept {
  if (device_ != nullptr) cudaFree(device_);
  if (host_ != nullptr) cudaFreeHost(host_);
  device_ = host_ = nullptr;
  capacity_ = 0;
}

}  // namespace groupvit::detail
