// The winning channel of every pixel, of score maps that are given on a coarse grid.
#pragma once

#include <cstdint>

#include "decode.hpp"

namespace groupvit::detail {

// Upsamples `scores` float32 [channels, grid], finite, 1 to 65,536 channels, bilinearly through `through` to
// `size` and names the largest channel, the lowest on ties. Defined to the bit by
// groupvit_runtime.upsampled_argmax.
LabelMap upsampled_argmax(const float* scores, std::int64_t channels, Size grid, Size size, Size through);

}  // namespace groupvit::detail
