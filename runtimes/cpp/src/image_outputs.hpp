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

// Outputs of several runs of the engine, window after window; owns the values that `windows` point at.
class EncodedWindows {
 public:
  // Adds the outputs of a run on `count` windows. Throws Error(GROUPVIT_ERROR_ENGINE) for shapes that do not fit.
  void add(Tensors outputs, std::int64_t count, const ModelInfo& model);

  const std::vector<ImageOutputs>& windows() const { return windows_; }

 private:
  std::vector<std::unique_ptr<const Tensors>> runs_;
  std::vector<ImageOutputs> windows_;
};

// The output `name`, float32 of `shape`, of which -1 is any length of at least 1. Throws
// Error(GROUPVIT_ERROR_ENGINE).
const std::vector<float>& float_output(const Tensors& outputs, const std::string& name, const Shape& shape);

}  // namespace groupvit::detail
