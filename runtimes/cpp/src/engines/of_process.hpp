// Engines that say so where they were inherited by a forked child, and are left alone there.
#pragma once

#include "text_encoder.hpp"

namespace groupvit::detail {

// What `loader` loads, bound to the process that it is called in.
EngineLoader of_process(EngineLoader loader);

}  // namespace groupvit::detail
