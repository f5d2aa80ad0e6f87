// Sums in NumPy's order, so that results are NumPy's to the bit.
#pragma once

#include <cstddef>

namespace groupvit::detail {

// numpy.add.reduce over contiguous float64: eight partial sums in blocks of up to 128, and halves above.
inline double pairwise_sum(const double* values, std::size_t count) {
  if (count < 8) {
    double sum = -0.0;
    for (std::size_t i = 0; i < count; ++i) sum += values[i];
    return sum;
  }
  if (count <= 128) {
    double part[8];
    for (std::size_t k = 0; k < 8; ++k) part[k] = values[k];
    std::size_t i = 8;
    for (; i < count - count % 8; i += 8) {
      for (std::size_t k = 0; k < 8; ++k) part[k] += values[i + k];
    }
    double sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    for (; i < count; ++i) sum += values[i];
    return sum;
  }
  const std::size_t half = count / 2 - count / 2 % 8;
  return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
}

}  // namespace groupvit::detail
