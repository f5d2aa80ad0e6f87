// OpenCV's bilinear resize of RGB images, to the bit.
#pragma once

#include "contract.hpp"
#include "preprocess.hpp"

namespace groupvit::detail {

// The definition is groupvit_runtime.opencv_resize.
RgbImage opencv_bilinear(const RgbImage& rgb, Size size);

}  // namespace groupvit::detail
