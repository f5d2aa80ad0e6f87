#include <algorithm>

#include "score_map.hpp"

namespace groupvit::detail {
namespace {

// Scores that are compared at once.
constexpr std::int64_t kStripValues = 1 << 18;

}  // namespace

void abstain(const ScoreMap& map, std::uint16_t unlabeled, std::optional<double> threshold, LabelMap& winners) {
  for (std::uint16_t& label : winners) label = std::min(label, unlabeled);
  if (!threshold) return;
  const auto limit = static_cast<float>(*threshold);
  const Size size = map.size();
  const std::int64_t step = std::max<std::int64_t>(kStripValues / size.width, 1);
  std::vector<float> best(static_cast<std::size_t>(std::min(step, size.height) * size.width));
  std::uint16_t* label = winners.data();
  for (std::int64_t top = 0; top < size.height; top += step) {
    const std::int64_t rows = std::min(step, size.height - top);
    map.best(top, rows, best.data(), size.width);
    for (std::int64_t i = 0; i < rows * size.width; ++i, ++label) {
      *label = best[static_cast<std::size_t>(i)] < limit ? unlabeled : *label;
    }
  }
}

}  // namespace groupvit::detail
