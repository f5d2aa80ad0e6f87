#include "resize.hpp"

#include <algorithm>

namespace groupvit::detail {

LinearTaps linear_taps(std::int64_t src, std::int64_t dst) {
  LinearTaps taps;
  taps.low.resize(static_cast<std::size_t>(dst));
  taps.high.resize(static_cast<std::size_t>(dst));
  taps.t.resize(static_cast<std::size_t>(dst));
  const std::int64_t unit = 2 * dst;
  for (std::int64_t d = 0; d < dst; ++d) {
    const std::int64_t position = std::clamp<std::int64_t>((2 * d + 1) * src - dst, 0, unit * (src - 1));
    const std::int64_t low = position / unit;
    const auto i = static_cast<std::size_t>(d);
    taps.low[i] = static_cast<std::int32_t>(low);
    taps.high[i] = static_cast<std::int32_t>(std::min(low + 1, src - 1));
    taps.t[i] = static_cast<float>(static_cast<double>(position - low * unit) / static_cast<double>(unit));
  }
  return taps;
}

bool ComposedRow::same_nodes(const ComposedRow& other) const {
  return count == other.count && std::equal(node.begin(), node.begin() + count, other.node.begin());
}

std::vector<ComposedRow> composed_rows(std::int64_t src, std::int64_t middle, std::int64_t dst) {
  const LinearTaps first = linear_taps(src, middle);
  const LinearTaps second = linear_taps(middle, dst);
  std::vector<ComposedRow> rows(static_cast<std::size_t>(dst));
  for (std::size_t d = 0; d < rows.size(); ++d) {
    const auto a = static_cast<std::size_t>(second.low[d]);
    const auto b = static_cast<std::size_t>(second.high[d]);
    const double weight = second.t[d];
    // Entry `node` of row `m` of the first step.
    const auto entry = [&first](std::size_t m, std::int32_t node) {
      const double t = first.t[m];
      double value = node == first.low[m] ? 1 - t : 0;
      // Added, because at the far edge both taps are the same pixel.
      if (node == first.high[m]) value += t;
      return value;
    };
    std::array<std::int32_t, 4> nodes{first.low[a], first.high[a], first.low[b], first.high[b]};
    std::sort(nodes.begin(), nodes.end());
    const auto end = std::unique(nodes.begin(), nodes.end());
    ComposedRow& row = rows[d];
    for (auto node = nodes.begin(); node != end; ++node) {
      const auto value = static_cast<float>((1 - weight) * entry(a, *node) + weight * entry(b, *node));
      if (value == 0) continue;
      row.node[static_cast<std::size_t>(row.count)] = *node;
      row.weight[static_cast<std::size_t>(row.count)] = value;
      ++row.count;
    }
  }
  return rows;
}

}  // namespace groupvit::detail
