// What a user ought to know of an engine that is slower than float32 on the processor at hand; by the rules of
// groupvit_runtime.precision_cautions.
#pragma once

#include <string>

#include "instruction_sets.hpp"
#include "manifest.hpp"

namespace groupvit::detail {

// Empty where there is nothing to say. `engine` is the image engine that is loaded, `device` what was asked for, or
// empty.
std::string precision_caution(const Manifest& manifest, const EngineInfo& engine, const std::string& device,
                              const ProcessorFlags& flags);

}  // namespace groupvit::detail
