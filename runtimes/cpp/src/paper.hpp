// The inside of the paper decode, which tests look at.
#pragma once

#include <vector>

#include "decode.hpp"

namespace groupvit::detail {

// float32 [groups, classes]: how much each group of a window is worth for each class; exactly 0 for classes
// that are not among the top ones. groupvit_runtime.paper.paper_affinity.
std::vector<float> paper_affinity(const ImageOutputs& window, const Classes& classes, double logit_scale,
                                  const PaperDecode& decode);

}  // namespace groupvit::detail
