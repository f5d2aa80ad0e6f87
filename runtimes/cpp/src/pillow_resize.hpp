// Pillow's Image.resize of RGB images, to the bit.
#pragma once

#include "contract.hpp"
#include "preprocess.hpp"

namespace groupvit::detail {

// Antialiased resize of uint8: coefficients in fixed point with 22 bits, the horizontal pass first, each pass
// rounded to uint8 and left out where it has nothing to do. `nearest` is Pillow's affine transform: positions
// by repeated addition in float64.
RgbImage pillow_resize(const RgbImage& rgb, Size size, ResizeFilter filter);

}  // namespace groupvit::detail
