// What the image engine gave of one image or of its windows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "decode.hpp"
#include "manifest.hpp"
#include "tensor.hpp"

namespace groupvit::detail {

// Names of the image engine's tensors, as groupvit_runtime.contract has them.
inline constexpr char kImageInput[] = "pixel_values";
inline constexpr char kPixelsInput[] = "pixels";
inline constexpr char kClassesInput[] = "text_embeds";
inline constexpr char kSizeInput[] = "size";
inline constexpr char kLabelsOutput[] = "labels";
inline constexpr char kImageEmbeds[] = "image_embeds";
inline constexpr char kGroupEmbeds[] = "group_embeds";
inline constexpr char kMasks[] = "masks";

// Soft maps of the groups of one stage over the patches, a window each; owns those that had to be computed.
struct StageMaps {
  std::vector<std::vector<float>> computed;
  std::vector<ImageOutputs> windows;
};

// Name of the soft map of a stage, from 1.
std::string soft_map_name(std::int64_t stage);

// Outputs of several runs of the engine, window after window; owns the values that `windows` point at.
class EncodedWindows {
 public:
  // Adds the outputs of a run on `count` windows. Throws Error(GROUPVIT_ERROR_ENGINE) for shapes that do not fit.
  void add(Tensors outputs, std::int64_t count, const ModelInfo& model);

  const std::vector<ImageOutputs>& windows() const { return windows_; }

  // The groups of a stage, from 1; 0 for the last. Those between the first stage and the last are products of soft maps,
  // summed in float64 and rounded once. Throws Error(GROUPVIT_ERROR_USAGE): the model has no such stage, or the engine
  // does not give its soft maps; Error(GROUPVIT_ERROR_ENGINE): shapes that do not fit, or values that are not finite.
  StageMaps stage(std::int64_t stage, const ModelInfo& model) const;

 private:
  std::vector<std::unique_ptr<const Tensors>> runs_;
  std::vector<ImageOutputs> windows_;
};

// The output `name`, float32 of `shape`, of which -1 is any length of at least 1. Throws
// Error(GROUPVIT_ERROR_ENGINE).
const std::vector<float>& float_output(const Tensors& outputs, const std::string& name, const Shape& shape);

}  // namespace groupvit::detail
