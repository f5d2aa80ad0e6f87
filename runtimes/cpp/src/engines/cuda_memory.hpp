// The CUDA runtime as far as an engine needs it: errors as exceptions, and what must be given back.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <utility>

#include "error.hpp"

namespace groupvit::detail {

inline void check_cuda(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return;
  // The error is read here, so that the next call does not find it.
  cudaGetLastError();
  throw Error(GROUPVIT_ERROR_ENGINE, "CUDA could not " + what,
              "error " + std::to_string(static_cast<int>(error)) + ": " + cudaGetErrorString(error));
}

struct DeviceInfo {
  std::string name;
  std::string compute_capability;  // "9.0"
};

// The first GPU. Throws Error(GROUPVIT_ERROR_ENGINE) where there is no driver, it is too old, or there is no GPU.
DeviceInfo find_device();

// Device memory for one tensor and the page-locked memory it is copied through; grows, never shrinks.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  ~DeviceBuffer() { release(); }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : device_(std::exchange(other.device_, nullptr)),
        host_(std::exchange(other.host_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&&) = delete;

  // Makes room; says whether addresses have changed.
  bool reserve(std::size_t bytes);
  void* device() const { return device_; }
  void* host() const { return host_; }

 private:
  void release() noexcept;

  void* device_ = nullptr;
  void* host_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace groupvit::detail
