// From an image to what an engine takes; the bits of groupvit_runtime.preprocess and .windows.
#pragma once

#include <cstdint>
#include <vector>

#include "contract.hpp"

namespace groupvit::detail {

// uint8 [height, width, 3] in RGB, rows without gaps.
struct RgbImage {
  Size size;
  std::vector<std::uint8_t> values;
};

struct WindowPlan {
  struct Box {
    std::int64_t top, left;
  };
  std::vector<Box> boxes;
  Size size;
  Size padded_size;
  std::int64_t side = 0;
};

WindowPlan plan_windows(Size image, const SlidingWindow& window);

// `rgb` itself, moved, where the size is already right.
RgbImage resize_image(RgbImage rgb, Size size, const Preprocessing& spec);

// The resized image of a plan, padded by repeating its edge, not cut yet.
RgbImage resize_for_windows(RgbImage rgb, const Preprocessing& spec, const WindowPlan& plan);

// float32 [3, height, width] of the part of `image` at (top, left), into `out`.
void normalize(const RgbImage& image, std::int64_t top, std::int64_t left, Size part, const Preprocessing& spec,
               float* out);

}  // namespace groupvit::detail
