// Scores are interpolated only where neighboring codes can disagree about the winner.
#include "paper.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "resize.hpp"
#include "window_scores.hpp"

namespace groupvit::detail {
namespace {

// Three float32 interpolations of scores in 0..1 err by far less.
constexpr float kRounding = 1.0f / (1 << 18);

// The winning channel after the scores are resized bilinearly to an image.
//
// A code's key says what its neighbors have to share for the winner of all their mixtures to be known: the
// winner, where it leads by more than rounding could undo, and otherwise the code itself.
class ResizedArgmax {
 public:
  // `names`: the label of each channel.
  ResizedArgmax(const std::vector<std::int32_t>& codes, Size grid, const CodeScores& scores,
                const std::vector<std::size_t>& names)
      : codes_(codes), grid_(grid), scores_(scores), upper_(row_size()), lower_(row_size()) {
    for (const std::size_t name : names) labels_.push_back(static_cast<std::uint16_t>(name));
    for (std::size_t code = 0; code < scores.rows(); ++code) {
      const float* row = scores.row(code);
      const std::size_t first = largest(row);
      float second = -std::numeric_limits<float>::infinity();
      for (std::size_t k = 0; k < scores.channels; ++k) {
        if (k != first) second = std::max(second, row[k]);
      }
      const std::size_t key = row[first] - second > kRounding ? first : scores.channels + code;
      keys_.push_back(static_cast<std::int32_t>(key));
      labels_.push_back(labels_[first]);
    }
  }

  LabelMap run(Size size) {
    const LinearTaps down = linear_taps(grid_.height, size.height);
    const LinearTaps across = linear_taps(grid_.width, size.width);
    const auto width = static_cast<std::size_t>(size.width);
    LabelMap labels(static_cast<std::size_t>(size.height) * width);
    std::vector<std::int32_t> cells(row_size());
    std::int32_t held = -1;
    for (std::size_t y = 0; y < down.t.size(); ++y) {
      if (down.low[y] != held) {
        find_agreement(down.low[y], down.high[y], held, cells.data());
        held = down.low[y];
      }
      const std::int32_t* top = codes_.data() + down.low[y] * grid_.width;
      const std::int32_t* bottom = codes_.data() + down.high[y] * grid_.width;
      std::uint16_t* to = labels.data() + y * width;
      const std::int32_t* low = across.low.data();
      const std::int32_t* cell = cells.data();
      const std::uint16_t* label = labels_.data();
      for (std::size_t x = 0; x < width; ++x) {
        const std::int32_t left = low[x], key = cell[left];
        if (key >= 0) {
          to[x] = label[key];
        } else {
          const std::int32_t right = across.high[x];
          to[x] = label[mixed({top[left], top[right], bottom[left], bottom[right]}, across.t[x], down.t[y])];
        }
      }
    }
    return labels;
  }

 private:
  std::size_t row_size() const { return static_cast<std::size_t>(grid_.width); }

  // For each pixel of row `y` as the upper left of four: the key that all four share, or -1. `held` is the
  // row that was asked for before.
  void find_agreement(std::int32_t y, std::int32_t next, std::int32_t held, std::int32_t* cells) {
    if (held >= 0 && y == held + 1) {
      upper_.swap(lower_);
    } else {
      find_keys(y, upper_.data());
    }
    find_keys(next, lower_.data());
    const std::int32_t* upper = upper_.data();
    const std::int32_t* lower = lower_.data();
    const std::size_t last = row_size() - 1;
    for (std::size_t x = 0; x < last; ++x) {
      const bool agree = (upper[x] == upper[x + 1]) & (upper[x] == lower[x]) & (upper[x] == lower[x + 1]);
      cells[x] = agree ? upper[x] : -1;
    }
    cells[last] = upper[last] == lower[last] ? upper[last] : -1;
  }

  void find_keys(std::int32_t y, std::int32_t* keys) const {
    const std::int32_t* codes = codes_.data() + y * grid_.width;
    const std::int32_t* key = keys_.data();
    for (std::size_t x = 0; x < row_size(); ++x) keys[x] = key[codes[x]];
  }

  struct Four {
    std::int32_t top_left, top_right, bottom_left, bottom_right;
  };

  // The winning channel of a mixture.
  std::size_t mixed(const Four& codes, float across, float down) const {
    const float* top_left = row(codes.top_left);
    const float* top_right = row(codes.top_right);
    const float* bottom_left = row(codes.bottom_left);
    const float* bottom_right = row(codes.bottom_right);
    std::size_t winner = 0;
    float best = -std::numeric_limits<float>::infinity();
    // Four channels at a time, which is what the rows are padded for.
    for (std::size_t start = 0; start < scores_.stride; start += 4) {
      float value[4];
      for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t k = start + i;
        const float above = lerp(top_left[k], top_right[k], across);
        value[i] = lerp(above, lerp(bottom_left[k], bottom_right[k], across), down);
      }
      for (std::size_t i = 0; i < 4; ++i) {
        if (value[i] > best) {
          best = value[i];
          winner = start + i;
        }
      }
    }
    return winner;
  }

  const float* row(std::int32_t code) const { return scores_.row(static_cast<std::size_t>(code)); }

  // The lowest on ties.
  std::size_t largest(const float* scores) const {
    return static_cast<std::size_t>(std::max_element(scores, scores + scores_.channels) - scores);
  }

  const std::vector<std::int32_t>& codes_;
  Size grid_;
  const CodeScores& scores_;
  std::vector<std::int32_t> keys_;
  // By key: the names of the channels, and the winner's name of each code.
  LabelMap labels_;
  std::vector<std::int32_t> upper_, lower_;
};

}  // namespace

PaperResult paper_decode(const WindowPlan& plan, const std::vector<ImageOutputs>& windows, const Classes& classes,
                         double logit_scale, const PaperDecode& decode, Size out_size) {
  return {winners(average_windows(plan, windows, classes, logit_scale, decode), plan.size, out_size),
          decode.background_threshold.has_value()};
}

LabelMap winners(const WindowScores& found, Size grid, Size size) {
  return ResizedArgmax(found.codes, grid, found.scores, found.used).run(size);
}

}  // namespace groupvit::detail
