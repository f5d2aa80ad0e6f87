// Refusals of what an engine or a vocabulary hands to the decoders.
#pragma once

#include <cstdint>
#include <vector>

#include "decode.hpp"

namespace groupvit::detail {

inline constexpr std::int64_t kMaxClasses = 65535;

// Throws Error(GROUPVIT_ERROR_ENGINE): soft maps that are empty or not finite.
void check_masks(const ImageOutputs& outputs);

// Throws Error(GROUPVIT_ERROR_ENGINE): group embeddings that are empty or not finite.
void check_group_embeds(const ImageOutputs& outputs);

// Throws Error(GROUPVIT_ERROR_ENGINE): as check_masks, and group embeddings that are empty or not finite.
void check_outputs(const ImageOutputs& outputs);

// Throws Error(GROUPVIT_ERROR_ENGINE): not one output a window, outputs of unlike shapes, or as check_masks.
void check_window_masks(const WindowPlan& plan, const std::vector<ImageOutputs>& windows);

// Throws Error(GROUPVIT_ERROR_ENGINE): not one output a window, outputs of unlike shapes, or as
// check_outputs, and image embeddings that are not finite.
void check_windows(const WindowPlan& plan, const std::vector<ImageOutputs>& windows);

// Throws Error(GROUPVIT_ERROR_LABEL): no classes, too many, another width, or values that are not finite.
void check_text(const Classes& classes, std::int64_t width);

}  // namespace groupvit::detail
