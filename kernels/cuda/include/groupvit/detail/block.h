// A thread block as a sequence of phases, so that one text of a kernel runs on a GPU and on a CPU.
//
// A kernel is written against two things:
//
//   block.phase(f)       f(thread) for every thread of the block, then a barrier
//   registers[thread]    what a thread keeps from one phase to the next
//
// Within a phase no thread may read what another one writes in it: the barrier comes after.
#pragma once

#include "groupvit/detail/host_device.h"

namespace groupvit::detail {

#if defined(__CUDACC__)

// The block that the calling thread is in.
struct DeviceBlock {
  template <typename Phase>
  __device__ void phase(Phase&& run) const {
    run(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};

// The calling thread's own registers, whatever number it calls itself by.
template <typename Registers>
struct OwnRegisters {
  Registers own;

  __device__ Registers& operator[](int) { return own; }
};

#endif

// A block of `threads` threads, one after the other. Backwards must give the same results: if not, one
// thread reads what another writes in the same phase.
struct SequentialBlock {
  int threads;
  bool backwards;

  template <typename Phase>
  void phase(Phase&& run) const {
    for (int turn = 0; turn < threads; ++turn) {
      run(backwards ? threads - 1 - turn : turn);
    }
  }
};

}  // namespace groupvit::detail
