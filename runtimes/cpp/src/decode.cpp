#include "decode.hpp"

#include <cmath>

#include "decode_checks.hpp"
#include "resize.hpp"
#include "similarity.hpp"
#include "upsampled_argmax.hpp"

namespace groupvit::detail {

std::vector<float> hf_scores(const ImageOutputs& outputs, const Classes& classes) {
  check_outputs(outputs);
  check_text(classes, outputs.width);
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

std::vector<float> hf_logits(const float* grid_scores, Size grid, double logit_scale, Size pixel_size) {
  const auto factor = static_cast<float>(std::exp(2 * logit_scale));
  const LinearTaps down = linear_taps(grid.height, pixel_size.height);
  const LinearTaps across = linear_taps(grid.width, pixel_size.width);
  const auto row = [&](std::int32_t y, std::size_t x) {
    const float* scores = grid_scores + static_cast<std::int64_t>(y) * grid.width;
    return lerp(scores[across.low[x]] * factor, scores[across.high[x]] * factor, across.t[x]);
  };
  std::vector<float> logits;
  logits.reserve(down.t.size() * across.t.size());
  for (std::size_t y = 0; y < down.t.size(); ++y) {
    for (std::size_t x = 0; x < across.t.size(); ++x) {
      logits.push_back(lerp(row(down.low[y], x), row(down.high[y], x), down.t[y]));
    }
  }
  return logits;
}

LabelMap hf_decode(const ImageOutputs& outputs, const Classes& classes, Size pixel_size, Size out_size) {
  return upsampled_argmax(hf_scores(outputs, classes).data(), classes.count, outputs.grid, out_size,
                          pixel_size);
}

LabelMap hf_groups(const ImageOutputs& outputs, Size pixel_size, Size out_size) {
  check_masks(outputs);
  return upsampled_argmax(outputs.masks, outputs.groups, outputs.grid, out_size, pixel_size);
}

}  // namespace groupvit::detail
