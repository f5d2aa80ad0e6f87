// The definition is the plain computation, and only its speed comes from not carrying it out everywhere. Both
// axes fall into runs of outputs that look at the same nodes. Within a rectangle of two runs a channel is a
// bilinear function of the two weights, so one channel that leads another at all four corners leads it
// inside. Channels that lose so, by more than rounding could make up, are left out; rectangles with several
// channels left are halved, and small ones are compared pixel by pixel.
#include "upsampled_argmax.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "resize.hpp"

namespace groupvit::detail {
namespace {

// Both values of a comparison are sums of a few products, each rounded to 2^-24 of the largest score.
constexpr float kRounding = 1.0f / 65536;
// Side of the tiles in which pixels are compared: their scores and labels then stay in a core's first cache.
constexpr std::int32_t kTile = 16;

// Output indices start .. stop - 1, which look at the same nodes.
struct Run {
  std::int32_t start, stop;
};

struct Axis {
  std::vector<ComposedRow> rows;
  std::vector<Run> runs;
  // The weights of `rows` by node, with room for a whole tile at the end.
  std::array<std::vector<float>, 4> weights;
};

Axis axis_of(std::int64_t src, std::int64_t middle, std::int64_t dst) {
  Axis axis;
  axis.rows = composed_rows(src, middle, dst);
  const auto length = static_cast<std::int32_t>(dst);
  for (std::int32_t start = 0; start < length;) {
    const ComposedRow& first = axis.rows[static_cast<std::size_t>(start)];
    // Weights of three nodes or more lie on no straight line: every output is then an end of its run.
    const std::int32_t longest = first.count > 2 ? 2 : length;
    std::int32_t stop = start + 1;
    while (stop < length && stop - start < longest &&
           axis.rows[static_cast<std::size_t>(stop)].same_nodes(first)) {
      ++stop;
    }
    axis.runs.push_back({start, stop});
    start = stop;
  }
  for (std::size_t i = 0; i < axis.weights.size(); ++i) {
    axis.weights[i].resize(axis.rows.size() + kTile);
    for (std::size_t d = 0; d < axis.rows.size(); ++d) axis.weights[i][d] = axis.rows[d].weight[i];
  }
  return axis;
}

struct Rectangle {
  std::int32_t top, bottom, left, right;
  std::int32_t height() const { return bottom - top; }
  std::int32_t width() const { return right - left; }
};

class Labeler {
 public:
  Labeler(const float* scores, std::int64_t channels, Size grid, Size size, Size through)
      : channels_(static_cast<std::size_t>(channels)),
        grid_width_(static_cast<std::size_t>(grid.width)),
        grid_height_(static_cast<std::size_t>(grid.height)),
        width_(static_cast<std::size_t>(size.width)),
        down_(axis_of(grid.height, through.height, size.height)),
        across_(axis_of(grid.width, through.width, size.width)),
        nodes_(channels_ * grid_width_ * grid_height_),
        ends_(2 * channels_ * grid_height_),
        corners_(4 * channels_),
        lead_(channels_) {
    const std::size_t cells = grid_width_ * grid_height_;
    float largest = 0;
    for (std::size_t k = 0; k < channels_; ++k) {
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const float score = scores[k * cells + cell];
        nodes_[cell * channels_ + k] = score;
        largest = std::max(largest, std::fabs(score));
      }
    }
    slack_ = kRounding * largest;
  }

  LabelMap run() {
    labels_.resize(down_.rows.size() * width_);
    std::vector<std::int32_t> all(channels_);
    for (std::size_t k = 0; k < channels_; ++k) all[k] = static_cast<std::int32_t>(k);
    for (const Run& columns : across_.runs) {
      const std::size_t column_ends = interpolate_ends(columns);
      for (const Run& rows : down_.runs) {
        const std::size_t count = interpolate_corners(rows, column_ends);
        candidates_.clear();
        keep_possible(all.data(), channels_, count);
        label({rows.start, rows.stop, columns.start, columns.stop}, 0, candidates_.size());
      }
    }
    return std::move(labels_);
  }

 private:
  // All channels at the first and the last column of a run, for every row of nodes. How many columns.
  std::size_t interpolate_ends(const Run& run) {
    const std::size_t count = run.stop - run.start > 1 ? 2 : 1;
    for (std::size_t end = 0; end < count; ++end) {
      const ComposedRow& taps = across_.rows[static_cast<std::size_t>(end ? run.stop - 1 : run.start)];
      for (std::size_t row = 0; row < grid_height_; ++row) {
        const auto node = [&](std::size_t i) {
          return nodes_.data() + (row * grid_width_ + static_cast<std::size_t>(taps.node[i])) * channels_;
        };
        mix_channels(taps, node, ends_.data() + (end * grid_height_ + row) * channels_);
      }
    }
    return count;
  }

  // All channels at the corners that the ends of `run` make of them. How many corners.
  std::size_t interpolate_corners(const Run& run, std::size_t column_ends) {
    const std::size_t row_ends = run.stop - run.start > 1 ? 2 : 1;
    std::size_t corner = 0;
    for (std::size_t bottom = 0; bottom < row_ends; ++bottom) {
      const ComposedRow& taps = down_.rows[static_cast<std::size_t>(bottom ? run.stop - 1 : run.start)];
      for (std::size_t end = 0; end < column_ends; ++end, ++corner) {
        const auto node = [&](std::size_t i) {
          return ends_.data() + (end * grid_height_ + static_cast<std::size_t>(taps.node[i])) * channels_;
        };
        mix_channels(taps, node, corners_.data() + corner * channels_);
      }
    }
    return corner;
  }

  template <typename Node>
  void mix_channels(const ComposedRow& taps, const Node& node, float* out) const {
    const float* base = node(0);
    if (taps.count == 1) {
      std::copy_n(base, channels_, out);
      return;
    }
    const float* second = node(1);
    const float weight = taps.weight[1];
    for (std::size_t k = 0; k < channels_; ++k) out[k] = lerp(base[k], second[k], weight);
    for (std::size_t i = 2; i < static_cast<std::size_t>(taps.count); ++i) {
      const float* further = node(i);
      for (std::size_t k = 0; k < channels_; ++k) out[k] += taps.weight[i] * (further[k] - base[k]);
    }
  }

  // The score of one channel at one pixel.
  float score(std::size_t channel, std::int32_t y, std::int32_t x) const {
    const ComposedRow& rows = down_.rows[static_cast<std::size_t>(y)];
    const ComposedRow& columns = across_.rows[static_cast<std::size_t>(x)];
    const auto on_row = [&](std::size_t i) {
      const float* row =
          nodes_.data() + static_cast<std::size_t>(rows.node[i]) * grid_width_ * channels_ + channel;
      const float base = row[static_cast<std::size_t>(columns.node[0]) * channels_];
      float value = base;
      for (std::size_t j = 1; j < static_cast<std::size_t>(columns.count); ++j) {
        value += columns.weight[j] * (row[static_cast<std::size_t>(columns.node[j]) * channels_] - base);
      }
      return value;
    };
    const float base = on_row(0);
    float value = base;
    for (std::size_t i = 1; i < static_cast<std::size_t>(rows.count); ++i) {
      value += rows.weight[i] * (on_row(i) - base);
    }
    return value;
  }

  // Appends to `candidates_` those of `channels` that no corner's winner leads at all corners. The corners'
  // scores are the first `corner_count` rows of `corners_`, `count` values each. `channels` may lie in
  // `candidates_` itself, which then has room for all of them.
  void keep_possible(const std::int32_t* channels, std::size_t count, std::size_t corner_count) {
    std::array<std::size_t, 4> winners{};
    for (std::size_t corner = 0; corner < corner_count; ++corner) {
      const float* values = corners_.data() + corner * count;
      winners[corner] = static_cast<std::size_t>(std::max_element(values, values + count) - values);
    }
    for (std::size_t corner = 0; corner < corner_count; ++corner) {
      const bool seen =
          std::find(winners.begin(), winners.begin() + corner, winners[corner]) != winners.begin() + corner;
      if (!seen) measure_lead(winners[corner], count, corner_count, corner == 0);
    }
    const std::size_t before = candidates_.size();
    for (std::size_t k = 0; k < count; ++k) {
      if (!(lead_[k] < -slack_)) candidates_.push_back(channels[k]);
    }
    // Only where scores are so large that their differences are infinite.
    if (candidates_.size() == before) candidates_.push_back(channels[winners[0]]);
  }

  // The largest lead of each channel over `winner` at any corner, and the least of these over several
  // winners.
  void measure_lead(std::size_t winner, std::size_t count, std::size_t corner_count, bool first) {
    std::array<const float*, 4> values{};
    std::array<float, 4> top{};
    for (std::size_t corner = 0; corner < 4; ++corner) {
      // Where there are fewer corners, the first is looked at again.
      values[corner] = corners_.data() + (corner < corner_count ? corner : 0) * count;
      top[corner] = values[corner][winner];
    }
    float* lead = lead_.data();
    for (std::size_t k = 0; k < count; ++k) {
      const float a = values[0][k] - top[0], b = values[1][k] - top[1];
      const float c = values[2][k] - top[2], d = values[3][k] - top[3];
      const float upper = a > b ? a : b, lower = c > d ? c : d;
      const float largest = upper > lower ? upper : lower;
      lead[k] = first || largest < lead[k] ? largest : lead[k];
    }
  }

  // Labels a rectangle within one run of each axis; its candidates are candidates_[begin .. end - 1].
  void label(const Rectangle& at, std::size_t begin, std::size_t end) {
    if (end - begin == 1) {
      fill(at, static_cast<std::uint16_t>(candidates_[begin]));
    } else if (at.height() <= kTile && at.width() <= kTile) {
      compare(at, begin, end);
    } else if (at.width() > at.height()) {
      const std::int32_t middle = at.left + at.width() / 2;
      label_part({at.top, at.bottom, at.left, middle}, begin, end);
      label_part({at.top, at.bottom, middle, at.right}, begin, end);
    } else {
      const std::int32_t middle = at.top + at.height() / 2;
      label_part({at.top, middle, at.left, at.right}, begin, end);
      label_part({middle, at.bottom, at.left, at.right}, begin, end);
    }
  }

  void label_part(const Rectangle& at, std::size_t begin, std::size_t end) {
    const std::size_t count = end - begin;
    const std::array<std::int32_t, 4> y{at.top, at.top, at.bottom - 1, at.bottom - 1};
    const std::array<std::int32_t, 4> x{at.left, at.right - 1, at.left, at.right - 1};
    for (std::size_t corner = 0; corner < 4; ++corner) {
      for (std::size_t i = 0; i < count; ++i) {
        const auto channel = static_cast<std::size_t>(candidates_[begin + i]);
        corners_[corner * count + i] = score(channel, y[corner], x[corner]);
      }
    }
    candidates_.reserve(end + count);
    keep_possible(candidates_.data() + begin, count, 4);
    label(at, end, candidates_.size());
    candidates_.resize(end);
  }

  void fill(const Rectangle& at, std::uint16_t channel) {
    for (std::int32_t y = at.top; y < at.bottom; ++y) std::fill_n(row(y) + at.left, at.width(), channel);
  }

  std::uint16_t* row(std::int32_t y) { return labels_.data() + static_cast<std::size_t>(y) * width_; }

  // A tile pixel by pixel. Whole tiles are computed, for loops of a known length; what lies outside is
  // dropped.
  void compare(const Rectangle& at, std::size_t begin, std::size_t end) {
    const ComposedRow& rows = down_.rows[static_cast<std::size_t>(at.top)];
    const auto row_count = static_cast<std::size_t>(rows.count);
    float best[kTile][kTile];
    std::int32_t winner[kTile][kTile];
    float base[kTile];
    float difference[3][kTile];
    for (std::size_t i = begin; i < end; ++i) {
      const std::int32_t channel = candidates_[i];
      columns_of(at.left, rows.node[0], channel, base);
      for (std::size_t r = 1; r < row_count; ++r) {
        columns_of(at.left, rows.node[r], channel, difference[r - 1]);
        for (std::int32_t x = 0; x < kTile; ++x) difference[r - 1][x] -= base[x];
      }
      for (std::int32_t y = 0; y < at.height(); ++y) {
        const ComposedRow& taps = down_.rows[static_cast<std::size_t>(at.top + y)];
        float value[kTile];
        for (std::int32_t x = 0; x < kTile; ++x) value[x] = base[x];
        for (std::size_t r = 1; r < row_count; ++r) {
          const float weight = taps.weight[r];
          for (std::int32_t x = 0; x < kTile; ++x) value[x] += weight * difference[r - 1][x];
        }
        if (i == begin) {
          for (std::int32_t x = 0; x < kTile; ++x) best[y][x] = value[x];
          for (std::int32_t x = 0; x < kTile; ++x) winner[y][x] = channel;
        } else {
          for (std::int32_t x = 0; x < kTile; ++x) {
            winner[y][x] = value[x] > best[y][x] ? channel : winner[y][x];
            best[y][x] = value[x] > best[y][x] ? value[x] : best[y][x];
          }
        }
      }
    }
    for (std::int32_t y = 0; y < at.height(); ++y) {
      std::uint16_t* to = row(at.top + y) + at.left;
      for (std::int32_t x = 0; x < at.width(); ++x) to[x] = static_cast<std::uint16_t>(winner[y][x]);
    }
  }

  // One channel on one row of nodes, at the columns from `left` on.
  void columns_of(std::int32_t left, std::int32_t node_row, std::int32_t channel, float* out) const {
    const ComposedRow& taps = across_.rows[static_cast<std::size_t>(left)];
    const float* row = nodes_.data() + static_cast<std::size_t>(node_row) * grid_width_ * channels_ +
                       static_cast<std::size_t>(channel);
    const float base = row[static_cast<std::size_t>(taps.node[0]) * channels_];
    for (std::int32_t x = 0; x < kTile; ++x) out[x] = base;
    for (std::size_t j = 1; j < static_cast<std::size_t>(taps.count); ++j) {
      const float difference = row[static_cast<std::size_t>(taps.node[j]) * channels_] - base;
      const float* weight = across_.weights[j].data() + left;
      for (std::int32_t x = 0; x < kTile; ++x) out[x] += weight[x] * difference;
    }
  }

  std::size_t channels_, grid_width_, grid_height_, width_;
  Axis down_, across_;
  float slack_ = 0;
  std::vector<float> nodes_;    // [grid, channels]
  std::vector<float> ends_;     // [2, grid height, channels]
  std::vector<float> corners_;  // [4, candidates]
  std::vector<float> lead_;     // [candidates]
  std::vector<std::int32_t> candidates_;
  LabelMap labels_;
};

}  // namespace

LabelMap upsampled_argmax(const float* scores, std::int64_t channels, Size grid, Size size, Size through) {
  return Labeler(scores, channels, grid, size, through).run();
}

}  // namespace groupvit::detail
