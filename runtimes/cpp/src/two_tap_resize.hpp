// Bilinear resize of RGB images without antialiasing.
#pragma once

#include "contract.hpp"
#include "preprocess.hpp"

namespace groupvit::detail {

// groupvit_runtime.resize in float32, columns first, then rounded to the nearest integer, ties to even.
RgbImage two_tap_resize(const RgbImage& rgb, Size size);

}  // namespace groupvit::detail
