// Bilinear resize of RGB pictures without antialiasing.
#pragma once

#include "contract.hpp"
#include "preprocess.hpp"

namespace groupvit::detail {

// groupvit_runtime.resize in float32, columns first, then rounded to the nearest integer, ties to even.
Picture two_tap_resize(const Picture& rgb, Size size);

}  // namespace groupvit::detail
