#include <algorithm>
#include <cmath>

#include "decode.hpp"
#include "decode_checks.hpp"
#include "similarity.hpp"
#include "softmax.hpp"

namespace groupvit::detail {

std::vector<double> class_scores(const std::vector<ImageOutputs>& windows, const Classes& classes,
                                 double logit_scale, double max_scale) {
  const double scale = std::min(std::exp(logit_scale), max_scale);
  std::vector<double> total(static_cast<std::size_t>(classes.count), 0.0);
  for (const ImageOutputs& window : windows) {
    check_text(classes, window.width);
    std::vector<double> shares =
        dot_products(window.image_embed, 1, classes.embeddings, classes.count, window.width);
    for (double& share : shares) share *= scale;
    softmax(shares.data(), shares.size());
    for (std::size_t k = 0; k < total.size(); ++k) total[k] += shares[k];
  }
  for (double& share : total) share /= static_cast<double>(windows.size());
  return total;
}

std::vector<float> group_scores(const ImageOutputs& outputs, const Classes& classes, double logit_scale,
                                double max_scale) {
  check_group_embeds(outputs);
  check_text(classes, outputs.width);
  const double scale = std::min(std::exp(logit_scale), max_scale);
  std::vector<double> shares =
      dot_products(outputs.group_embeds, outputs.groups, classes.embeddings, classes.count, outputs.width);
  for (double& share : shares) share *= scale;
  const auto count = static_cast<std::size_t>(classes.count);
  for (std::size_t start = 0; start < shares.size(); start += count) softmax(shares.data() + start, count);
  return {shares.begin(), shares.end()};
}

}  // namespace groupvit::detail
