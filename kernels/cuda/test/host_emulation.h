// The operator on the CPU by the very code of the kernels, one block and one thread after the other: same
// loads, same decisions, same order of every sum. Only expf is the host's.
#pragma once

#include <cstring>
#include <memory>
#include <type_traits>

#include "groupvit/detail/assign.h"
#include "groupvit/detail/block.h"
#include "groupvit/detail/check.h"
#include "groupvit/detail/group_mean.h"
#include "groupvit/detail/problem.h"
#include "groupvit/grouping_attention.h"

namespace groupvit::emulation {

// What a new block finds in shared memory and registers: NaN, so that nothing read before it was written
// goes unnoticed.
template <typename State>
void poison(State* state, int count) {
  static_assert(std::is_trivially_copyable_v<State>);
  memset(static_cast<void*>(state), 0xff, sizeof(State) * static_cast<size_t>(count));
}

template <typename Kernel, int kThreads, typename Run>
void run_blocks(int64_t blocks, bool backwards, Run&& run) {
  const auto shared = std::make_unique<typename Kernel::Shared>();
  const auto registers = std::make_unique<typename Kernel::Registers[]>(kThreads);
  for (int64_t turn = 0; turn < blocks; ++turn) {
    poison(shared.get(), 1);
    poison(registers.get(), kThreads);
    auto* per_thread = registers.get();
    run(detail::SequentialBlock{kThreads, backwards}, *shared, per_thread, backwards ? blocks - 1 - turn : turn);
  }
}

template <typename T, int kGroupsPerLane>
void run_assign(const detail::Problem<T>& problem, bool backwards) {
  using Kernel = detail::Assign<T, kGroupsPerLane>;
  const int64_t tiles = detail::assign_tiles(problem.length);
  run_blocks<Kernel, detail::kAssignThreads>(
      problem.batch * tiles, backwards, [&](const auto& block, auto& shared, auto& registers, int64_t number) {
        Kernel::run(block, shared, registers, problem, number / tiles, static_cast<int>(number % tiles));
      });
}

template <typename T>
void run_group_mean(const detail::Problem<T>& problem, bool backwards) {
  using Kernel = detail::GroupMean<T>;
  const int64_t slabs = detail::mean_slabs(problem.channels);
  run_blocks<Kernel, detail::kMeanThreads>(
      problem.batch * problem.groups * slabs, backwards,
      [&](const auto& block, auto& shared, auto& registers, int64_t number) {
        const int64_t row = number / slabs;
        Kernel::run(block, shared, registers, problem, row / problem.groups,
                    static_cast<int>(row % problem.groups), static_cast<int>(number % slabs));
      });
}

template <typename T>
void run_both(const groupvit_grouping_attention_arguments& arguments, bool backwards) {
  const detail::Problem<T> problem = detail::make_problem<T>(arguments);
  switch (detail::groups_per_lane(arguments.groups)) {
    case 1:
      run_assign<T, 1>(problem, backwards);
      break;
    case 2:
      run_assign<T, 2>(problem, backwards);
      break;
    default:
      run_assign<T, 4>(problem, backwards);
  }
  run_group_mean<T>(problem, backwards);
}

// groupvit_grouping_attention() with pointers to host memory. `backwards` takes blocks and threads last to
// first.
inline groupvit_kernel_status grouping_attention(const groupvit_grouping_attention_arguments* arguments,
                                                 bool backwards) {
  const groupvit_kernel_status status = detail::check_arguments(arguments);
  if (status != GROUPVIT_KERNEL_OK || arguments->batch == 0) {
    return status;
  }
  switch (arguments->dtype) {
    case GROUPVIT_FLOAT16:
      run_both<detail::Half>(*arguments, backwards);
      break;
    case GROUPVIT_BFLOAT16:
      run_both<detail::BFloat16>(*arguments, backwards);
      break;
    default:
      run_both<float>(*arguments, backwards);
  }
  return GROUPVIT_KERNEL_OK;
}

}  // namespace groupvit::emulation
