#include <algorithm>
#include <cmath>

#include "decode_checks.hpp"
#include "exponential.hpp"
#include "resize.hpp"
#include "score_map.hpp"

namespace groupvit::detail {
namespace {

// Columns that are computed together: all classes' scores there stay in a core's caches.
constexpr std::size_t kBlock = 64;

struct Block {
  std::size_t left, width;
};

class HfScoreMap final : public ScoreMap {
 public:
  // `nodes` float32 [channels, grid].
  HfScoreMap(std::vector<float> nodes, std::size_t channels, double logit_scale, Size grid, Size pixel_size, Size size)
      : ScoreMap(size, channels),
        nodes_(std::move(nodes)),
        grid_width_(static_cast<std::size_t>(grid.width)),
        grid_cells_(static_cast<std::size_t>(grid.height * grid.width)),
        scale_(static_cast<float>(std::exp(logit_scale))),
        down_(composed_rows(grid.height, pixel_size.height, size.height)),
        across_(composed_rows(grid.width, pixel_size.width, size.width)) {}

  void scores(const PlaneRows& wanted) const override {
    visit(wanted.first_row, wanted.rows, [&](std::int64_t row, const Block& at, const float* powers, const float* total) {
      float* to = wanted.to + row * wanted.row_stride + static_cast<std::ptrdiff_t>(at.left);
      const float* from = powers + wanted.first_plane * kBlock;
      for (std::size_t k = 0; k < wanted.planes; ++k, from += kBlock, to += wanted.plane_stride) {
        for (std::size_t x = 0; x < at.width; ++x) to[x] = from[x] / total[x];
      }
    });
  }

  // The largest power is exactly 1.
  void best(std::int64_t first_row, std::int64_t rows, float* to, std::ptrdiff_t row_stride) const override {
    visit(first_row, rows, [&](std::int64_t row, const Block& at, const float*, const float* total) {
      float* out = to + row * row_stride + static_cast<std::ptrdiff_t>(at.left);
      for (std::size_t x = 0; x < at.width; ++x) out[x] = 1.0f / total[x];
    });
  }

 private:
  // Calls `use` with the row, counted from `first_row`, the block, exp(scale * (score - largest)) [channels, kBlock] and
  // its sum over channels [kBlock].
  template <typename Use>
  void visit(std::int64_t first_row, std::int64_t rows, const Use& use) const {
    std::vector<float> columns(4 * planes() * kBlock), values(planes() * kBlock);
    const std::size_t width = across_.size();
    const auto end = static_cast<std::size_t>(first_row + rows);
    for (std::size_t left = 0; left < width; left += kBlock) {
      const Block at{left, std::min(kBlock, width - left)};
      for (auto y = static_cast<std::size_t>(first_row); y < end;) {
        const ComposedRow& taps = down_[y];
        interpolate_columns(taps, at, columns.data());
        for (; y < end && down_[y].same_nodes(taps); ++y) {
          float total[kBlock];
          raise(down_[y], columns.data(), values.data(), total);
          use(static_cast<std::int64_t>(y) - first_row, at, values.data(), total);
        }
      }
    }
  }

  // `columns` [channels, nodes of the row, kBlock]: the first node, and what the others differ from it. Zeros beyond the
  // block.
  void interpolate_columns(const ComposedRow& rows, const Block& at, float* columns) const {
    const auto count = static_cast<std::size_t>(rows.count);
    for (std::size_t k = 0; k < planes(); ++k) {
      float* const base = columns + k * count * kBlock;
      for (std::size_t i = 0; i < count; ++i) {
        float* const out = base + i * kBlock;
        const float* const node = nodes_.data() + k * grid_cells_ + static_cast<std::size_t>(rows.node[i]) * grid_width_;
        std::fill(out + at.width, out + kBlock, 0.0f);
        for (std::size_t x = 0; x < at.width; ++x) out[x] = mixed(across_[at.left + x], node);
        if (i == 0) continue;
        for (std::size_t x = 0; x < kBlock; ++x) out[x] -= base[x];
      }
    }
  }

  static float mixed(const ComposedRow& taps, const float* node) {
    const float base = node[taps.node[0]];
    float value = base;
    for (std::size_t j = 1; j < static_cast<std::size_t>(taps.count); ++j) {
      value += taps.weight[j] * (node[taps.node[j]] - base);
    }
    return value;
  }

  void raise(const ComposedRow& rows, const float* columns, float* values, float* total) const {
    const auto count = static_cast<std::size_t>(rows.count);
    float largest[kBlock];
    for (std::size_t k = 0; k < planes(); ++k) {
      const float* const base = columns + k * count * kBlock;
      float* const value = values + k * kBlock;
      std::copy_n(base, kBlock, value);
      for (std::size_t i = 1; i < count; ++i) {
        const float weight = rows.weight[i];
        for (std::size_t x = 0; x < kBlock; ++x) value[x] += weight * base[i * kBlock + x];
      }
      for (std::size_t x = 0; x < kBlock; ++x) {
        largest[x] = k == 0 || value[x] > largest[x] ? value[x] : largest[x];
      }
    }
    std::fill_n(total, kBlock, 0.0f);
    for (std::size_t k = 0; k < planes(); ++k) {
      float* const value = values + k * kBlock;
      for (std::size_t x = 0; x < kBlock; ++x) value[x] = exponential(scale_ * (value[x] - largest[x]));
      for (std::size_t x = 0; x < kBlock; ++x) total[x] += value[x];
    }
  }

  std::vector<float> nodes_;
  std::size_t grid_width_, grid_cells_;
  float scale_;
  std::vector<ComposedRow> down_, across_;
};

}  // namespace

std::unique_ptr<const ScoreMap> hf_score_map(const ImageOutputs& outputs, const Classes& classes, double logit_scale,
                                             Size pixel_size, Size size) {
  return std::make_unique<HfScoreMap>(hf_scores(outputs, classes), static_cast<std::size_t>(classes.count), logit_scale,
                                      outputs.grid, pixel_size, size);
}

}  // namespace groupvit::detail
