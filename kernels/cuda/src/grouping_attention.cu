// The two kernels and their launches.

#include <cuda_runtime_api.h>

#include <cstdint>

#include "groupvit/detail/assign.h"
#include "groupvit/detail/block.h"
#include "groupvit/detail/check.h"
#include "groupvit/detail/group_mean.h"
#include "groupvit/detail/problem.h"
#include "groupvit/grouping_attention.h"

namespace groupvit::detail {
namespace {

template <typename T, int kGroupsPerLane>
__global__ void __launch_bounds__(kAssignThreads) assign_kernel(const __grid_constant__ Problem<T> problem) {
  using Kernel = Assign<T, kGroupsPerLane>;
  __shared__ typename Kernel::Shared shared;
  OwnRegisters<typename Kernel::Registers> registers;
  const int tiles = assign_tiles(problem.length);
  const int block = static_cast<int>(blockIdx.x);
  Kernel::run(DeviceBlock{}, shared, registers, problem, block / tiles, block % tiles);
}

// Four blocks to a multiprocessor leave 64 registers: unasked, the compiler aims at 40 for 9.0 and spills.
template <typename T>
__global__ void __launch_bounds__(kMeanThreads, 4) group_mean_kernel(const __grid_constant__ Problem<T> problem) {
  using Kernel = GroupMean<T>;
  __shared__ typename Kernel::Shared shared;
  OwnRegisters<typename Kernel::Registers> registers;
  const int slabs = mean_slabs(problem.channels);
  const int block = static_cast<int>(blockIdx.x);
  const int row = block / slabs;
  Kernel::run(DeviceBlock{}, shared, registers, problem, row / problem.groups, row % problem.groups, block % slabs);
}

// Unlike the launch syntax, reports the error of this launch alone and never one that was pending.
template <typename T>
cudaError_t launch(void (*kernel)(Problem<T>), int64_t blocks, int threads, Problem<T>& problem,
                   cudaStream_t stream) {
  void* parameters[] = {&problem};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(static_cast<unsigned>(blocks)),
                          dim3(static_cast<unsigned>(threads)), parameters, 0, stream);
}

template <typename T>
cudaError_t launch_both(const groupvit_grouping_attention_arguments& arguments, cudaStream_t stream) {
  Problem<T> problem = make_problem<T>(arguments);
  const int per_lane = groups_per_lane(arguments.groups);
  void (*assign)(Problem<T>) = per_lane == 1   ? assign_kernel<T, 1>
                               : per_lane == 2 ? assign_kernel<T, 2>
                                               : assign_kernel<T, 4>;
  const cudaError_t error = launch(assign, assign_blocks(arguments), kAssignThreads, problem, stream);
  if (error != cudaSuccess) {
    return error;
  }
  return launch(group_mean_kernel<T>, mean_blocks(arguments), kMeanThreads, problem, stream);
}

cudaError_t launch_by_dtype(const groupvit_grouping_attention_arguments& arguments, cudaStream_t stream) {
  switch (arguments.dtype) {
    case GROUPVIT_FLOAT16:
      return launch_both<Half>(arguments, stream);
    case GROUPVIT_BFLOAT16:
      return launch_both<BFloat16>(arguments, stream);
    default:
      return launch_both<float>(arguments, stream);
  }
}

}  // namespace
}  // namespace groupvit::detail

groupvit_kernel_status groupvit_grouping_attention(const groupvit_grouping_attention_arguments* arguments,
                                                   void* stream) {
  const groupvit_kernel_status status = groupvit::detail::check_arguments(arguments);
  if (status != GROUPVIT_KERNEL_OK || arguments->batch == 0) {
    return status;
  }
  const cudaError_t error = groupvit::detail::launch_by_dtype(*arguments, static_cast<cudaStream_t>(stream));
  if (error == cudaErrorNoKernelImageForDevice) {
    return GROUPVIT_KERNEL_ERROR_DEVICE;
  }
  return error == cudaSuccess ? GROUPVIT_KERNEL_OK : GROUPVIT_KERNEL_ERROR_LAUNCH;
}
