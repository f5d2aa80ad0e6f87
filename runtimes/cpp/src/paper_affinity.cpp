#include <algorithm>
#include <cmath>
#include <numeric>

#include "paper.hpp"
#include "similarity.hpp"
#include "softmax.hpp"

namespace groupvit::detail {
namespace {

// The classes with the largest relevance, the lower class first on ties, in ascending order.
std::vector<std::size_t> top_classes(const ImageOutputs& window, const Classes& classes, std::int64_t count) {
  const std::vector<double> sums =
      dot_products(classes.embeddings, classes.count, window.image_embed, 1, window.width);
  // Rounded before they are compared, so that the order of the sums does not decide.
  const std::vector<float> relevance(sums.begin(), sums.end());
  std::vector<std::size_t> order(relevance.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto middle = order.begin() + std::min(count, classes.count);
  std::partial_sort(order.begin(), middle, order.end(), [&](std::size_t a, std::size_t b) {
    return relevance[a] != relevance[b] ? relevance[a] > relevance[b] : a < b;
  });
  order.erase(middle, order.end());
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

std::vector<float> paper_affinity(const ImageOutputs& window, const Classes& classes, double logit_scale,
                                  const PaperDecode& decode) {
  const double scale = std::min(std::exp(logit_scale), decode.max_logit_scale);
  const auto count = static_cast<std::size_t>(classes.count);
  const std::vector<std::size_t> top = top_classes(window, classes, decode.top_classes);
  std::vector<double> logits =
      dot_products(window.group_embeds, window.groups, classes.embeddings, classes.count, window.width);
  std::vector<float> affinity(logits.size(), 0.0f);
  std::vector<double> among_top(top.size());
  for (std::size_t start = 0; start < logits.size(); start += count) {
    double* row = logits.data() + start;
    for (std::size_t k = 0; k < count; ++k) row[k] *= scale;
    for (std::size_t i = 0; i < top.size(); ++i) among_top[i] = row[top[i]];
    softmax(row, count);
    softmax(among_top.data(), among_top.size());
    for (std::size_t i = 0; i < top.size(); ++i) {
      affinity[start + top[i]] = static_cast<float>(row[top[i]] * among_top[i]);
    }
  }
  return affinity;
}

}  // namespace groupvit::detail
