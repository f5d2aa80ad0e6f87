// What the records of a manifest say of each other.
#pragma once

#include "manifest.hpp"

namespace groupvit::detail {

// Throws Error(GROUPVIT_ERROR_BUNDLE) where one part contradicts another; as groupvit_runtime.manifest.consistency.
void check_consistency(const Manifest& manifest);

}  // namespace groupvit::detail
