// The caller's image: checked, and copied into the one form that everything else takes.
#pragma once

#include "groupvit/groupvit.h"
#include "preprocess.hpp"

namespace groupvit::detail {

// Larger images are refused, as the Python runtime does.
inline constexpr std::int64_t kMaxPixels = 178956970;
// What is one pixel wide is resized to the engine's width.
inline constexpr std::int64_t kMaxSide = 262144;

// Throws Error(GROUPVIT_ERROR_IMAGE) for no pixels, too many, or rows that overlap; Error(GROUPVIT_ERROR_USAGE) for
// an address or a format that is none.
RgbImage read_image(const groupvit_image& image);

}  // namespace groupvit::detail
