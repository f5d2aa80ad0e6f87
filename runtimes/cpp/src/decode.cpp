#include "decode.hpp"

#include "decode_checks.hpp"
#include "similarity.hpp"
#include "upsampled_argmax.hpp"

namespace groupvit::detail {
namespace {

// Class scores on the grid, float32 [classes, grid]: Hugging Face's segmentation logits before scaling and
// upsampling. The similarity is rounded to float32 in between; of sums in float64 see similarity.hpp.
std::vector<float> hf_scores(const ImageOutputs& outputs, const Classes& classes) {
  const auto cells = static_cast<std::size_t>(outputs.grid.height * outputs.grid.width);
  const auto groups = static_cast<std::size_t>(outputs.groups);
  const std::vector<double> similarity =
      dot_products(classes.embeddings, classes.count, outputs.group_embeds, outputs.groups, outputs.width);
  const std::vector<double> masks(outputs.masks, outputs.masks + groups * cells);
  std::vector<float> scores(static_cast<std::size_t>(classes.count) * cells);
  std::vector<double> sums(cells);
  for (std::size_t k = 0; k < static_cast<std::size_t>(classes.count); ++k) {
    sums.assign(cells, 0.0);
    for (std::size_t g = 0; g < groups; ++g) {
      const double weight = static_cast<float>(similarity[k * groups + g]);
      const double* mask = masks.data() + g * cells;
      for (std::size_t cell = 0; cell < cells; ++cell) sums[cell] += weight * mask[cell];
    }
    for (std::size_t cell = 0; cell < cells; ++cell)
      scores[k * cells + cell] = static_cast<float>(sums[cell]);
  }
  return scores;
}

}  // namespace

LabelMap hf_decode(const ImageOutputs& outputs, const Classes& classes, Size pixel_size, Size out_size) {
  check_outputs(outputs);
  check_text(classes, outputs.width);
  return upsampled_argmax(hf_scores(outputs, classes).data(), classes.count, outputs.grid, out_size,
                          pixel_size);
}

LabelMap hf_groups(const ImageOutputs& outputs, Size pixel_size, Size out_size) {
  check_masks(outputs);
  return upsampled_argmax(outputs.masks, outputs.groups, outputs.grid, out_size, pixel_size);
}

}  // namespace groupvit::detail
