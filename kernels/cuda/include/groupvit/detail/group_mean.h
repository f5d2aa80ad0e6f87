// Second launch: the means and counts of the groups, by the decisions of the first.
#pragma once

#include <cstdint>

#include "groupvit/detail/block.h"
#include "groupvit/detail/decision.h"
#include "groupvit/detail/element.h"
#include "groupvit/detail/host_device.h"
#include "groupvit/detail/problem.h"

namespace groupvit::detail {

inline constexpr int kMeanThreads = 256;
inline constexpr int kMeanChannels = 128;

GROUPVIT_HOST_DEVICE inline int mean_slabs(int channels) { return (channels + kMeanChannels - 1) / kMeanChannels; }

// One block takes one group of one image and kMeanChannels channels.
//
// It lists the members of the group in the order of their tokens, and its parts sum every kParts-th member
// each. What is added to what depends on the list alone, so that sums are the same bits whenever and with
// whatever batch they are taken. Non-members are never touched: with a group's share of the tokens being
// 1 / G on average, the tokens are read once in all.
template <typename T>
struct GroupMean {
  static constexpr int kPer = kPerVector<T>;
  static constexpr int kLanes = kMeanChannels / kPer;
  static constexpr int kParts = kMeanThreads / kLanes;
  static constexpr int kTokens = 2048;
  static constexpr int kTokensPerThread = kTokens / kMeanThreads;
  static constexpr int kRun = 16;
  static constexpr int kRuns = kMeanThreads / kRun;

  struct Shared {
    uint8_t is_member[kTokens];
    uint16_t members[kTokens];
    int counts[kMeanThreads];  // members among the tokens of a thread
    int run_counts[kRuns];     // members among the tokens of kRun threads
    float sums[kParts][kMeanChannels];
  };

  struct Registers {
    float sums[kPer];
    int count;
  };

  template <typename Block, typename PerThread>
  GROUPVIT_HOST_DEVICE static void run(const Block& block, Shared& shared, PerThread& registers,
                                       const Problem<T>& problem, int64_t batch, int group, int slab) {
    block.phase([&](int thread) { clear(registers[thread]); });
    for (int first = 0; first < problem.length; first += kTokens) {
      block.phase([&](int thread) { mark(thread, shared, problem, batch, group, first); });
      block.phase([&](int thread) { count_own(thread, shared); });
      block.phase([&](int thread) { count_run(thread, shared); });
      block.phase([&](int thread) { list(thread, shared); });
      block.phase([&](int thread) { accumulate(thread, registers[thread], shared, problem, batch, slab, first); });
    }
    block.phase([&](int thread) { share_sums(thread, registers[thread], shared); });
    block.phase([&](int thread) { write(thread, registers[thread], shared, problem, batch, group, slab); });
  }

 private:
  GROUPVIT_HOST_DEVICE static void clear(Registers& own) {
    own.count = 0;
    GROUPVIT_UNROLL
    for (int position = 0; position < kPer; ++position) {
      own.sums[position] = 0.0f;
    }
  }

  GROUPVIT_HOST_DEVICE static void mark(int thread, Shared& shared, const Problem<T>& problem, int64_t batch,
                                        int group, int first) {
    const int64_t* index = problem.index + batch * problem.length + first;
    const int rest = problem.length - first;
    for (int token = thread; token < kTokens; token += kMeanThreads) {
      shared.is_member[token] = token < rest && index[token] == group ? 1 : 0;
    }
  }

  GROUPVIT_HOST_DEVICE static void count_own(int thread, Shared& shared) {
    int count = 0;
    GROUPVIT_UNROLL
    for (int token = 0; token < kTokensPerThread; ++token) {
      count += shared.is_member[thread * kTokensPerThread + token];
    }
    shared.counts[thread] = count;
  }

  GROUPVIT_HOST_DEVICE static void count_run(int thread, Shared& shared) {
    if (thread < kRuns) {
      int count = 0;
      GROUPVIT_UNROLL
      for (int other = 0; other < kRun; ++other) {
        count += shared.counts[thread * kRun + other];
      }
      shared.run_counts[thread] = count;
    }
  }

  // Two levels of prefix sums, each short enough for every thread to add up by itself.
  GROUPVIT_HOST_DEVICE static void list(int thread, Shared& shared) {
    int slot = 0;
    for (int run = 0; run < thread / kRun; ++run) {
      slot += shared.run_counts[run];
    }
    for (int other = thread / kRun * kRun; other < thread; ++other) {
      slot += shared.counts[other];
    }
    for (int token = thread * kTokensPerThread; token < (thread + 1) * kTokensPerThread; ++token) {
      if (shared.is_member[token] != 0) {
        shared.members[slot++] = static_cast<uint16_t>(token);
      }
    }
  }

  GROUPVIT_HOST_DEVICE static void accumulate(int thread, Registers& own, const Shared& shared,
                                              const Problem<T>& problem, int64_t batch, int slab, int first) {
    int count = 0;
    GROUPVIT_UNROLL
    for (int run = 0; run < kRuns; ++run) {
      count += shared.run_counts[run];
    }
    const int channel = slab * kMeanChannels + thread % kLanes * kPer;
    if (channel < problem.channels) {
      GROUPVIT_UNROLL_BY_4
      for (int member = thread / kLanes; member < count; member += kParts) {
        const Vector vector = problem.tokens.vector(batch, first + shared.members[member], channel);
        GROUPVIT_UNROLL
        for (int position = 0; position < kPer; ++position) {
          own.sums[position] += to_float(element<T>(vector, position));
        }
      }
    }
    own.count += count;
  }

  GROUPVIT_HOST_DEVICE static void share_sums(int thread, const Registers& own, Shared& shared) {
    GROUPVIT_UNROLL
    for (int position = 0; position < kPer; ++position) {
      shared.sums[thread / kLanes][thread % kLanes * kPer + position] = own.sums[position];
    }
  }

  GROUPVIT_HOST_DEVICE static void write(int thread, const Registers& own, const Shared& shared,
                                         const Problem<T>& problem, int64_t batch, int group, int slab) {
    const int64_t row = batch * problem.groups + group;
    const int channel = slab * kMeanChannels + thread;
    if (thread < kMeanChannels && channel < problem.channels) {
      float sum = 0.0f;
      GROUPVIT_UNROLL
      for (int part = 0; part < kParts; ++part) {
        sum += shared.sums[part][thread];
      }
      problem.means[row * problem.channels + channel] = group_mean(sum, own.count, problem.eps);
    }
    if (thread == 0 && slab == 0) {
      problem.count[row] = static_cast<float>(own.count);
    }
  }
};

}  // namespace groupvit::detail
