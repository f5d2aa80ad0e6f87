#include <algorithm>
#include <utility>

#include "resize.hpp"
#include "score_map.hpp"
#include "window_scores.hpp"

namespace groupvit::detail {
namespace {

// Columns that are computed together.
constexpr std::size_t kBlock = 64;

class PaperScoreMap final : public ScoreMap {
 public:
  PaperScoreMap(WindowScores found, Size grid, Size size)
      : ScoreMap(size, found.channels),
        found_(std::move(found)),
        grid_width_(static_cast<std::size_t>(grid.width)),
        down_(linear_taps(grid.height, size.height)),
        across_(linear_taps(grid.width, size.width)) {}

  void scores(const PlaneRows& wanted) const override {
    const std::vector<std::size_t>& used = found_.used;
    const auto first = std::lower_bound(used.begin(), used.end(), wanted.first_plane) - used.begin();
    const auto last = std::lower_bound(used.begin(), used.end(), wanted.first_plane + wanted.planes) - used.begin();
    const auto plane = [&](std::size_t k) {
      return wanted.to + static_cast<std::ptrdiff_t>(k - wanted.first_plane) * wanted.plane_stride;
    };
    for (std::size_t k = wanted.first_plane; k < wanted.first_plane + wanted.planes; ++k) {
      if (std::binary_search(used.begin(), used.end(), k)) continue;
      for (std::int64_t row = 0; row < wanted.rows; ++row) {
        std::fill_n(plane(k) + row * wanted.row_stride, size().width, 0.0f);
      }
    }
    visit(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first), wanted.first_row, wanted.rows,
          [&](std::int64_t row, std::size_t left, std::size_t channel, const float* values, std::size_t width) {
            float* const to = plane(used[channel]) + row * wanted.row_stride;
            std::copy_n(values, width, to + left);
          });
  }

  void best(std::int64_t first_row, std::int64_t rows, float* to, std::ptrdiff_t row_stride) const override {
    visit(0, found_.used.size(), first_row, rows,
          [&](std::int64_t row, std::size_t left, std::size_t channel, const float* values, std::size_t width) {
            float* const out = to + row * row_stride + left;
            for (std::size_t x = 0; x < width; ++x) out[x] = channel == 0 || values[x] > out[x] ? values[x] : out[x];
          });
  }

 private:
  // Calls `use` with the row, counted from `first_row`, the first column, the place of the channel in `used`, its scores
  // there and how many these are.
  template <typename Use>
  void visit(std::size_t first_channel, std::size_t channels, std::int64_t first_row, std::int64_t rows,
             const Use& use) const {
    std::vector<float> above(channels * kBlock), below(channels * kBlock);
    float values[kBlock];
    for (std::size_t left = 0; left < across_.t.size(); left += kBlock) {
      const std::size_t width = std::min(kBlock, across_.t.size() - left);
      std::int32_t held = -1;
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto y = static_cast<std::size_t>(first_row + row);
        if (down_.low[y] != held) {
          held = down_.low[y];
          interpolate(down_.low[y], left, width, first_channel, channels, above.data());
          interpolate(down_.high[y], left, width, first_channel, channels, below.data());
        }
        for (std::size_t i = 0; i < channels; ++i) {
          const float *const a = above.data() + i * kBlock, *const b = below.data() + i * kBlock;
          for (std::size_t x = 0; x < width; ++x) values[x] = lerp(a[x], b[x], down_.t[y]);
          use(row, left, first_channel + i, values, width);
        }
      }
    }
  }

  // Scores of one row of the resized image at the columns of the block, `out` [channels, kBlock].
  void interpolate(std::int32_t y, std::size_t left, std::size_t width, std::size_t first_channel, std::size_t channels,
                   float* out) const {
    const std::int32_t* const codes = found_.codes.data() + static_cast<std::size_t>(y) * grid_width_;
    const auto scores = [&](std::int32_t x) { return found_.scores.row(static_cast<std::size_t>(codes[x])) + first_channel; };
    for (std::size_t x = 0; x < width; ++x) {
      const float *const a = scores(across_.low[left + x]), *const b = scores(across_.high[left + x]);
      for (std::size_t i = 0; i < channels; ++i) out[i * kBlock + x] = lerp(a[i], b[i], across_.t[left + x]);
    }
  }

  WindowScores found_;
  std::size_t grid_width_;
  LinearTaps down_, across_;
};

}  // namespace

std::unique_ptr<const ScoreMap> paper_score_map(WindowScores found, Size grid, Size size) {
  return std::make_unique<PaperScoreMap>(std::move(found), grid, size);
}

}  // namespace groupvit::detail
