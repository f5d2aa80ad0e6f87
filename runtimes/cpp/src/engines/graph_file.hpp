// What an ONNX file may not have: data outside of itself, which no hash of the manifest covers.
#pragma once

#include "regular_file.hpp"

namespace groupvit::detail {

// Refuses a graph that would have a runtime open other files: Error(GROUPVIT_ERROR_BUNDLE).
void check_self_contained(const Bytes& graph);

}  // namespace groupvit::detail
