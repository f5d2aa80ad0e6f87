#include "similarity.hpp"

#include <array>
#include <cstddef>

namespace groupvit::detail {

std::vector<double> dot_products(const float* a, std::int64_t rows_a, const float* b, std::int64_t rows_b,
                                 std::int64_t width) {
  // As many sums side by side as a loop needs to be vectorized.
  constexpr std::int64_t kLanes = 8;
  std::vector<double> result(static_cast<std::size_t>(rows_a * rows_b));
  double* to = result.data();
  for (std::int64_t i = 0; i < rows_a; ++i) {
    for (std::int64_t j = 0; j < rows_b; ++j, ++to) {
      const float* x = a + i * width;
      const float* y = b + j * width;
      std::array<double, kLanes> sums{};
      std::int64_t p = 0;
      for (; p + kLanes <= width; p += kLanes) {
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          sums[static_cast<std::size_t>(lane)] += static_cast<double>(x[p + lane]) * y[p + lane];
        }
      }
      double sum = 0;
      for (; p < width; ++p) sum += static_cast<double>(x[p]) * y[p];
      for (const double lane : sums) sum += lane;
      *to = sum;
    }
  }
  return result;
}

}  // namespace groupvit::detail
