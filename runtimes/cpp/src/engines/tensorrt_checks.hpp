// What must agree between a TensorRT engine, the library that is loaded and the GPU.
#pragma once

#include <string>

#include "manifest.hpp"
#include "tensor.hpp"

namespace groupvit::detail {

// "TensorRT" or "TensorRT-RTX".
std::string flavor_title(const std::string& flavor);

// Compares the record with what is here, before anything is deserialized. `flavor` and `version` of the library,
// `compute_capability` and `device` of the GPU. Throws Error(GROUPVIT_ERROR_ENGINE) that names both sides and the
// command that rebuilds.
void check_bound_to(const TensorRTInfo& facts, const std::string& flavor, const std::string& version,
                    const std::string& compute_capability, const std::string& device);

// Throws Error(GROUPVIT_ERROR_ENGINE) for an input whose shape is outside the profile.
void check_profiles(const TensorRTInfo& facts, const Tensors& inputs);

// Batches below the profile's smallest, with the last of them repeated; others as they are. Every input of the
// profiles must be there.
Tensors filled_up(const TensorRTInfo& facts, const Tensors& inputs);

// The first `count` of a batch.
Tensor first_of(Tensor tensor, std::int64_t count);

}  // namespace groupvit::detail
