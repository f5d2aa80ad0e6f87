// The caller's picture: checked, and copied into the one form that everything else takes.
#pragma once

#include "groupvit/groupvit.h"
#include "preprocess.hpp"

namespace groupvit::detail {

// Larger pictures are refused, as the Python runtime does.
inline constexpr std::int64_t kMaxPixels = 178956970;

// Throws Error(GROUPVIT_ERROR_IMAGE) for no pixels, too many, or rows that overlap; Error(GROUPVIT_ERROR_USAGE) for
// an address or a format that is none.
Picture read_picture(const groupvit_image& image);

}  // namespace groupvit::detail
