#include <algorithm>

#include "preprocess.hpp"

namespace groupvit::detail {
namespace {

Size short_side_size(Size size, const SlidingWindow& window) {
  const auto quotient = [](std::int64_t a, std::int64_t b) {
    return static_cast<double>(a) / static_cast<double>(b);
  };
  const double scale = std::min(quotient(window.long_side_max, std::max(size.height, size.width)),
                                quotient(window.size, std::min(size.height, size.width)));
  // At least 1: an image of 1 x 10000 would otherwise lose its short side to rounding.
  const auto scaled = [scale](std::int64_t side) {
    return std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(side) * scale + 0.5), 1);
  };
  return {scaled(size.height), scaled(size.width)};
}

std::vector<std::int64_t> starts(std::int64_t length, const SlidingWindow& window) {
  const std::int64_t count =
      std::max<std::int64_t>(length - window.size + window.stride - 1, 0) / window.stride + 1;
  std::vector<std::int64_t> result;
  result.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    result.push_back(std::min(i * window.stride, length - window.size));
  }
  return result;
}

}  // namespace

WindowPlan plan_windows(Size image, const SlidingWindow& window) {
  WindowPlan plan;
  plan.size = short_side_size(image, window);
  plan.padded_size = {std::max(plan.size.height, window.size), std::max(plan.size.width, window.size)};
  plan.side = window.size;
  const auto lefts = starts(plan.padded_size.width, window);
  for (const std::int64_t top : starts(plan.padded_size.height, window)) {
    for (const std::int64_t left : lefts) plan.boxes.push_back({top, left});
  }
  return plan;
}

}  // namespace groupvit::detail
