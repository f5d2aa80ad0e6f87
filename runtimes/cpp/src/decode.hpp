// From soft maps and embeddings to label maps; the bits of groupvit_runtime.decode, .paper,
// .upsampled_argmax and .window_groups. Shapes are those of the Python docstrings, row-major.
#pragma once

#include <cstdint>
#include <vector>

#include "contract.hpp"
#include "preprocess.hpp"

namespace groupvit::detail {

using LabelMap = std::vector<std::uint16_t>;

// What the engine gives of one image or window. `masks` float32 [groups, grid], `group_embeds` float32
// [groups, width], `image_embed` float32 [width].
struct ImageOutputs {
  std::int64_t groups = 0;
  Size grid;
  std::int64_t width = 0;
  const float* masks = nullptr;
  const float* group_embeds = nullptr;
  const float* image_embed = nullptr;
};

// Class embeddings, float32 [classes, width], unit vectors.
struct Classes {
  std::int64_t count = 0;
  std::int64_t width = 0;
  const float* embeddings = nullptr;
};

// Throw Error(GROUPVIT_ERROR_ENGINE) where outputs are not finite, Error(GROUPVIT_ERROR_LABEL) where classes
// cannot be used, as decode_checks.py does.
// Class scores on the grid, float32 [classes, grid]: Hugging Face's segmentation logits before scaling and upsampling.
// The similarity is rounded to float32 in between; of sums in float64 see similarity.hpp.
std::vector<float> hf_scores(const ImageOutputs& outputs, const Classes& classes);
// One class of Hugging Face's segmentation logits, float32 [pixel_size]; `grid_scores` float32 [grid] is its plane of
// hf_scores.
std::vector<float> hf_logits(const float* grid_scores, Size grid, double logit_scale, Size pixel_size);
LabelMap hf_decode(const ImageOutputs& outputs, const Classes& classes, Size pixel_size, Size out_size);
LabelMap hf_groups(const ImageOutputs& outputs, Size pixel_size, Size out_size);

struct PaperResult {
  LabelMap labels;
  bool background = false;
};

PaperResult paper_decode(const WindowPlan& plan, const std::vector<ImageOutputs>& windows, const Classes& classes,
                         double logit_scale, const PaperDecode& decode, Size out_size);
LabelMap window_groups(const WindowPlan& plan, const std::vector<ImageOutputs>& windows, Size out_size);

// How well each class fits the image: softmax over classes of the image embeddings, averaged over windows.
// `max_scale` infinite for the hf decode.
std::vector<double> class_scores(const std::vector<ImageOutputs>& windows, const Classes& classes,
                                 double logit_scale, double max_scale);

// How well each class fits each group, float32 [groups, classes]: softmax over classes of the group embeddings.
std::vector<float> group_scores(const ImageOutputs& outputs, const Classes& classes, double logit_scale,
                                double max_scale);

}  // namespace groupvit::detail
