// First launch: the logits of a tile of tokens, their softmax and their decisions.
#pragma once

#include <cstdint>

#include "groupvit/detail/block.h"
#include "groupvit/detail/decision.h"
#include "groupvit/detail/element.h"
#include "groupvit/detail/host_device.h"
#include "groupvit/detail/problem.h"

namespace groupvit::detail {

inline constexpr int kAssignThreads = 128;
inline constexpr int kAssignTokens = 32;

GROUPVIT_HOST_DEVICE inline int assign_tiles(int length) { return (length + kAssignTokens - 1) / kAssignTokens; }

// Which Assign a call takes. All would do: idle accumulators would cost a model of few groups its occupancy.
inline int groups_per_lane(int64_t groups) { return groups <= 32 ? 1 : groups <= 64 ? 2 : 4; }

// One block takes kAssignTokens tokens of one image and all groups.
//
// A lane owns kGroupsPerLane groups, 32 apart, and a warp 8 tokens: per channel a thread reads a few query
// values that lie side by side across the lanes and 8 token values that are the same for the whole warp,
// for 8 * kGroupsPerLane multiply-adds. The logits of a token depend on nothing but its own channels, in
// order, so neither the tile nor the batch shows in them.
template <typename T, int kGroupsPerLane>
struct Assign {
  static constexpr int kWarp = 32;
  static constexpr int kGroups = kWarp * kGroupsPerLane;
  static constexpr int kChannels = 32;
  static constexpr int kParts = kAssignThreads / kAssignTokens;
  static constexpr int kTokensPerThread = kAssignTokens * kWarp / kAssignThreads;
  static constexpr int kPer = kPerVector<T>;
  static constexpr int kQueryVectors = kGroups * kChannels / kPer / kAssignThreads;
  static constexpr int kTokenVectors = kAssignTokens * kChannels / kPer / kAssignThreads;

  struct Shared {
    // By channel, so that the product reads along groups and tokens. Four more columns keep rows aligned to
    // 16 bytes and put the two halves of a warp that publishes on different banks.
    alignas(16) float query[kChannels][kGroups + 4];
    alignas(16) float tokens[kChannels][kAssignTokens + 4];
    // One more column: lanes write along groups and read along tokens.
    float logits[kGroups][kAssignTokens + 1];
    Candidate best[kParts][kAssignTokens];
    float sum[kParts][kAssignTokens];
  };

  struct Registers {
    Vector query[kQueryVectors];
    Vector tokens[kTokenVectors];
    float logits[kGroupsPerLane][kTokensPerThread];
  };

  template <typename Block, typename PerThread>
  GROUPVIT_HOST_DEVICE static void run(const Block& block, Shared& shared, PerThread& registers,
                                       const Problem<T>& problem, int64_t batch, int tile) {
    const int first = tile * kAssignTokens;
    const int chunks = (problem.channels + kChannels - 1) / kChannels;

    block.phase([&](int thread) {
      clear(registers[thread]);
      fetch(thread, registers[thread], problem, batch, first, 0);
    });
    for (int chunk = 0; chunk < chunks; ++chunk) {
      block.phase([&](int thread) { publish(thread, registers[thread], shared); });
      block.phase([&](int thread) {
        // The next chunk is under way while this one is multiplied.
        if (chunk + 1 < chunks) {
          fetch(thread, registers[thread], problem, batch, first, (chunk + 1) * kChannels);
        }
        accumulate(thread, registers[thread], shared);
      });
    }
    block.phase([&](int thread) { share_logits(thread, registers[thread], shared, problem, batch); });
    block.phase([&](int thread) { find_best(thread, shared, problem.groups); });
    block.phase([&](int thread) { decide(thread, shared, problem, batch, first); });
    block.phase([&](int thread) { write_soft(thread, shared, problem, batch, first); });
  }

 private:
  // Which vector of a [rows, kChannels] tile is item number `item`. Two lanes side by side read one sector of
  // 32 bytes, and a warp covers 16 rows, so that it publishes to 32 banks.
  template <int kRows>
  GROUPVIT_HOST_DEVICE static void locate(int item, int& row, int& channel) {
    row = item / 2 % kRows;
    channel = (item % 2 + item / (2 * kRows) * 2) * kPer;
  }

  GROUPVIT_HOST_DEVICE static void clear(Registers& own) {
    GROUPVIT_UNROLL
    for (int slot = 0; slot < kGroupsPerLane; ++slot) {
      GROUPVIT_UNROLL
      for (int token = 0; token < kTokensPerThread; ++token) {
        own.logits[slot][token] = 0.0f;
      }
    }
  }

  // Rows and channels that do not exist are zeros, which add nothing to any logit.
  template <int kRows, int kVectors>
  GROUPVIT_HOST_DEVICE static void fetch_rows(int thread, Vector (&vectors)[kVectors], const Rows<T>& rows,
                                              int64_t batch, int first_row, int row_count, int first_channel,
                                              int channel_count) {
    GROUPVIT_UNROLL
    for (int slot = 0; slot < kVectors; ++slot) {
      int row, channel;
      locate<kRows>(thread + slot * kAssignThreads, row, channel);
      const bool exists = first_row + row < row_count && first_channel + channel < channel_count;
      vectors[slot] = exists ? rows.vector(batch, first_row + row, first_channel + channel) : Vector{};
    }
  }

  GROUPVIT_HOST_DEVICE static void fetch(int thread, Registers& own, const Problem<T>& problem, int64_t batch,
                                         int first, int channel) {
    fetch_rows<kGroups>(thread, own.query, problem.query, batch, 0, problem.groups, channel, problem.channels);
    fetch_rows<kAssignTokens>(thread, own.tokens, problem.tokens, batch, first, problem.length, channel,
                              problem.channels);
  }

  template <int kRows, int kVectors, int kColumns>
  GROUPVIT_HOST_DEVICE static void publish_rows(int thread, const Vector (&vectors)[kVectors],
                                                float (&shared)[kChannels][kColumns]) {
    GROUPVIT_UNROLL
    for (int slot = 0; slot < kVectors; ++slot) {
      int row, channel;
      locate<kRows>(thread + slot * kAssignThreads, row, channel);
      GROUPVIT_UNROLL
      for (int position = 0; position < kPer; ++position) {
        shared[channel + position][row] = to_float(element<T>(vectors[slot], position));
      }
    }
  }

  GROUPVIT_HOST_DEVICE static void publish(int thread, const Registers& own, Shared& shared) {
    publish_rows<kGroups>(thread, own.query, shared.query);
    publish_rows<kAssignTokens>(thread, own.tokens, shared.tokens);
  }

  GROUPVIT_HOST_DEVICE static void accumulate(int thread, Registers& own, const Shared& shared) {
    const int lane = thread % kWarp;
    const int first = thread / kWarp * kTokensPerThread;
    GROUPVIT_UNROLL_BY_4
    for (int channel = 0; channel < kChannels; ++channel) {
      float query[kGroupsPerLane];
      float tokens[kTokensPerThread];
      GROUPVIT_UNROLL
      for (int slot = 0; slot < kGroupsPerLane; ++slot) {
        query[slot] = shared.query[channel][lane + slot * kWarp];
      }
      GROUPVIT_UNROLL
      for (int token = 0; token < kTokensPerThread; ++token) {
        tokens[token] = shared.tokens[channel][first + token];
      }
      GROUPVIT_UNROLL
      for (int slot = 0; slot < kGroupsPerLane; ++slot) {
        GROUPVIT_UNROLL
        for (int token = 0; token < kTokensPerThread; ++token) {
          // Named, or the compiler would choose where to round.
          own.logits[slot][token] = fmaf(query[slot], tokens[token], own.logits[slot][token]);
        }
      }
    }
  }

  GROUPVIT_HOST_DEVICE static void share_logits(int thread, const Registers& own, Shared& shared,
                                                const Problem<T>& problem, int64_t batch) {
    const int lane = thread % kWarp;
    const int first = thread / kWarp * kTokensPerThread;
    GROUPVIT_UNROLL
    for (int slot = 0; slot < kGroupsPerLane; ++slot) {
      const int group = lane + slot * kWarp;
      if (group < problem.groups) {
        const int64_t offset = batch * problem.bias_strides[0] + group * problem.bias_strides[1];
        const float bias = to_float(problem.bias[offset]);
        GROUPVIT_UNROLL
        for (int token = 0; token < kTokensPerThread; ++token) {
          shared.logits[group][first + token] = own.logits[slot][token] + bias;
        }
      }
    }
  }

  // From here on a lane is a token and a warp a part of the groups: stores to soft run along the tokens.
  GROUPVIT_HOST_DEVICE static void find_best(int thread, Shared& shared, int groups) {
    const int token = thread % kAssignTokens;
    const int part = thread / kAssignTokens;
    Candidate best = nobody();
    for (int group = part; group < groups; group += kParts) {
      best = better(best, {shared.logits[group][token], group});
    }
    shared.best[part][token] = best;
  }

  GROUPVIT_HOST_DEVICE static void decide(int thread, Shared& shared, const Problem<T>& problem, int64_t batch,
                                          int first) {
    const int token = thread % kAssignTokens;
    const int part = thread / kAssignTokens;
    Candidate best = nobody();
    GROUPVIT_UNROLL
    for (int other = 0; other < kParts; ++other) {
      best = better(best, shared.best[other][token]);
    }
    float sum = 0.0f;
    for (int group = part; group < problem.groups; group += kParts) {
      const float term = exponential(shared.logits[group][token], best.logit);
      shared.logits[group][token] = term;
      sum += term;
    }
    shared.sum[part][token] = sum;
    if (part == 0 && first + token < problem.length) {
      // Nobody wins only among NaN; an index beyond the groups would be a wild read of whoever gathers by it.
      problem.index[batch * problem.length + first + token] = best.group < problem.groups ? best.group : 0;
    }
  }

  GROUPVIT_HOST_DEVICE static void write_soft(int thread, const Shared& shared, const Problem<T>& problem,
                                              int64_t batch, int first) {
    const int token = thread % kAssignTokens;
    const int part = thread / kAssignTokens;
    if (first + token >= problem.length) {
      return;
    }
    float sum = 0.0f;
    GROUPVIT_UNROLL
    for (int other = 0; other < kParts; ++other) {
      sum += shared.sum[other][token];
    }
    for (int group = part; group < problem.groups; group += kParts) {
      const int64_t row = batch * problem.groups + group;
      problem.soft[row * problem.length + first + token] = shared.logits[group][token] / sum;
    }
  }
};

}  // namespace groupvit::detail
