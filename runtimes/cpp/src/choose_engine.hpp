// Which image engine of a bundle runs, where it has several; by the rules of groupvit_runtime.choose_engine.
#pragma once

#include <string>

#include "instruction_sets.hpp"
#include "manifest.hpp"

namespace groupvit::detail {

struct EngineChoice {
  EngineInfo engine;
  std::string why;  // empty where there is only one
};

// `precision` is what was asked for, or empty for the fastest that the processor computes natively; Error(GROUPVIT_ERROR_USAGE)
// where the bundle has none. `device` is what was asked for, or empty.
EngineChoice choose_image_engine(const Manifest& manifest, const std::string& precision, const std::string& device,
                                 const ProcessorFlags& flags);

}  // namespace groupvit::detail
