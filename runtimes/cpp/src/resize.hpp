// Half-pixel bilinear interpolation; the definition is groupvit_runtime.resize.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace groupvit::detail {

// For every output index the two source indices and the weight of the second.
struct LinearTaps {
  std::vector<std::int32_t> low;
  std::vector<std::int32_t> high;
  std::vector<float> t;
};

// Both lengths at least 1; their product with 2 has to fit an int64.
LinearTaps linear_taps(std::int64_t src, std::int64_t dst);

// `a + t * (b - a)`, each operation rounded on its own.
inline float lerp(float a, float b, float t) { return a + t * (b - a); }

// One row of groupvit_runtime.resize.composed_matrix: its nonzero entries in ascending order. Two nodes in
// between, each between two of the source, make four at most.
struct ComposedRow {
  std::int32_t count = 0;
  std::array<std::int32_t, 4> node{};
  std::array<float, 4> weight{};

  bool same_nodes(const ComposedRow& other) const;
};

// From `src` to `middle` and on to `dst`: one row for every output index.
std::vector<ComposedRow> composed_rows(std::int64_t src, std::int64_t middle, std::int64_t dst);

}  // namespace groupvit::detail
