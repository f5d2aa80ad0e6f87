// The averaged scores take only as many different values as there are combinations of groups, so pixels carry
// a code, the number of their combination, and scores are interpolated only where neighboring codes can
// disagree about the winner.
#include "paper.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <set>

#include "decode_checks.hpp"
#include "resize.hpp"
#include "upsampled_argmax.hpp"

namespace groupvit::detail {
namespace {

// Three float32 interpolations of scores in 0..1 err by far less.
constexpr float kRounding = 1.0f / (1 << 18);

// float32 [rows, channels], and how many of the channels count: rows are padded to a multiple of 4 with -1,
// which loses against every score.
struct Scores {
  std::size_t channels = 0;
  std::size_t stride = 0;
  std::vector<float> values;

  std::size_t rows() const { return values.size() / stride; }
  const float* row(std::size_t index) const { return values.data() + index * stride; }
};

// Affinities of one window [groups, channels] with the background in front where there is a threshold.
std::vector<float> with_background(std::vector<float> affinity, std::size_t groups,
                                   std::optional<double> threshold) {
  if (!threshold) return affinity;
  const std::size_t classes = affinity.size() / groups;
  const float limit =
      std::min(static_cast<float>(*threshold), *std::max_element(affinity.begin(), affinity.end()));
  std::vector<float> table;
  table.reserve(affinity.size() + groups);
  for (auto row = affinity.begin(); row != affinity.end(); row += static_cast<std::ptrdiff_t>(classes)) {
    const auto end = row + static_cast<std::ptrdiff_t>(classes);
    table.push_back(*std::max_element(row, end) < limit ? 1.0f : 0.0f);
    table.insert(table.end(), row, end);
  }
  return table;
}

// Channels that are not 0 everywhere, and the first: where all scores are 0, the lowest wins.
std::vector<std::size_t> used_channels(const std::vector<std::vector<float>>& tables, std::size_t channels) {
  std::vector<bool> used(channels, false);
  used[0] = true;
  for (const std::vector<float>& table : tables) {
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (table[i] != 0) used[i % channels] = true;
    }
  }
  std::vector<std::size_t> result;
  for (std::size_t k = 0; k < channels; ++k) {
    if (used[k]) result.push_back(k);
  }
  return result;
}

Scores selected(const std::vector<float>& table, std::size_t channels, const std::vector<std::size_t>& used) {
  Scores scores{used.size(), (used.size() + 3) / 4 * 4, {}};
  const std::size_t rows = table.size() / channels;
  scores.values.assign(rows * scores.stride, -1.0f);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < used.size(); ++i) {
      scores.values[row * scores.stride + i] = table[row * channels + used[i]];
    }
  }
  return scores;
}

struct Span {
  std::int64_t start, stop;
};

// Between two neighboring edges of windows, the same windows lie over every pixel.
std::vector<Span> spans(const std::vector<std::int64_t>& starts, std::int64_t side, std::int64_t length) {
  std::set<std::int64_t> edges;
  for (const std::int64_t start : starts) {
    edges.insert(std::min(start, length));
    edges.insert(std::min(start + side, length));
  }
  std::vector<Span> result;
  for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge)
    result.push_back({*edge, *std::next(edge)});
  return result;
}

// Codes [size] of the resized image, and the scores they stand for.
class Average {
 public:
  Average(const WindowPlan& plan, const std::vector<LabelMap>& groups, const std::vector<Scores>& tables)
      : plan_(plan), groups_(groups), tables_(tables) {
    codes_.resize(static_cast<std::size_t>(plan.size.height * plan.size.width));
    scores_ = {tables[0].channels, tables[0].stride, {}};
    std::vector<std::int64_t> tops, lefts;
    for (const WindowPlan::Box& box : plan.boxes) {
      tops.push_back(box.top);
      lefts.push_back(box.left);
    }
    const std::vector<Span> columns = spans(lefts, plan.side, plan.size.width);
    for (const Span& rows : spans(tops, plan.side, plan.size.height)) {
      for (const Span& across : columns) average(rows, across);
    }
  }

  const std::vector<std::int32_t>& codes() const { return codes_; }
  const Scores& scores() const { return scores_; }

 private:
  void average(const Span& rows, const Span& columns) {
    std::vector<std::size_t> over;
    for (std::size_t i = 0; i < plan_.boxes.size(); ++i) {
      const WindowPlan::Box& box = plan_.boxes[i];
      if (box.top <= rows.start && rows.stop <= box.top + plan_.side && box.left <= columns.start &&
          columns.stop <= box.left + plan_.side) {
        over.push_back(i);
      }
    }
    const auto offset = static_cast<std::int32_t>(scores_.values.empty() ? 0 : scores_.rows());
    const std::int32_t first = over.size() == 1 ? offset : 0;
    each_row(rows, columns, over[0],
             [first](std::int32_t* codes, const std::uint16_t* own, std::int64_t width) {
               for (std::int64_t x = 0; x < width; ++x) codes[x] = first + own[x];
             });
    std::vector<float> sums = tables_[over[0]].values;
    for (std::size_t i = 1; i < over.size(); ++i) {
      sums = combine(rows, columns, over[i], sums, i + 1 == over.size() ? offset : 0);
    }
    const auto count = static_cast<float>(over.size());
    for (const float sum : sums) scores_.values.push_back(sum / count);
  }

  // The combinations that occur of the codes so far and a further window, numbered from `offset`, and the
  // sums of their scores. They are numbered anew at every step: there may be more combinations than integers,
  // but not than pixels.
  std::vector<float> combine(const Span& rows, const Span& columns, std::size_t window,
                             const std::vector<float>& sums, std::int32_t offset) {
    const Scores& table = tables_[window];
    const auto groups = static_cast<std::int32_t>(table.rows());
    std::vector<std::int32_t> number(sums.size() / table.stride * table.rows(), -1);
    std::vector<std::int32_t> found;
    each_row(rows, columns, window, [&](std::int32_t* codes, const std::uint16_t* own, std::int64_t width) {
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int32_t combination = codes[x] * groups + own[x];
        std::int32_t& mine = number[static_cast<std::size_t>(combination)];
        if (mine < 0) {
          mine = offset + static_cast<std::int32_t>(found.size());
          found.push_back(combination);
        }
        codes[x] = mine;
      }
    });
    std::vector<float> result(found.size() * table.stride);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const float* a = sums.data() + static_cast<std::size_t>(found[i] / groups) * table.stride;
      const float* b = table.row(static_cast<std::size_t>(found[i] % groups));
      for (std::size_t k = 0; k < table.stride; ++k) result[i * table.stride + k] = a[k] + b[k];
    }
    return result;
  }

  template <typename Visit>
  void each_row(const Span& rows, const Span& columns, std::size_t window, const Visit& visit) {
    const WindowPlan::Box& box = plan_.boxes[window];
    for (std::int64_t y = rows.start; y < rows.stop; ++y) {
      visit(codes_.data() + y * plan_.size.width + columns.start,
            groups_[window].data() + (y - box.top) * plan_.side + columns.start - box.left,
            columns.stop - columns.start);
    }
  }

  const WindowPlan& plan_;
  const std::vector<LabelMap>& groups_;
  const std::vector<Scores>& tables_;
  std::vector<std::int32_t> codes_;
  Scores scores_;
};

// The winning channel after the scores are resized bilinearly to an image.
//
// A code's key says what its neighbors have to share for the winner of all their mixtures to be known: the
// winner, where it leads by more than rounding could undo, and otherwise the code itself.
class ResizedArgmax {
 public:
  // `names`: the label of each channel.
  ResizedArgmax(const std::vector<std::int32_t>& codes, Size grid, const Scores& scores,
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
  const Scores& scores_;
  std::vector<std::int32_t> keys_;
  // By key: the names of the channels, and the winner's name of each code.
  LabelMap labels_;
  std::vector<std::int32_t> upper_, lower_;
};

}  // namespace

PaperResult paper_decode(const WindowPlan& plan, const std::vector<ImageOutputs>& windows,
                         const Classes& classes, double logit_scale, const PaperDecode& decode,
                         Size out_size) {
  check_windows(plan, windows);
  check_text(classes, windows[0].width);
  const auto groups = static_cast<std::size_t>(windows[0].groups);
  std::vector<std::vector<float>> tables;
  std::vector<LabelMap> group_maps;
  for (const ImageOutputs& window : windows) {
    tables.push_back(with_background(paper_affinity(window, classes, logit_scale, decode), groups,
                                     decode.background_threshold));
    group_maps.push_back(upsampled_argmax(window.masks, window.groups, window.grid, {plan.side, plan.side},
                                          {plan.side, plan.side}));
  }
  const std::size_t channels = tables[0].size() / groups;
  const std::vector<std::size_t> used = used_channels(tables, channels);
  std::vector<Scores> scores;
  for (const std::vector<float>& table : tables) scores.push_back(selected(table, channels, used));
  const Average average(plan, group_maps, scores);
  ResizedArgmax argmax(average.codes(), plan.size, average.scores(), used);
  return {argmax.run(out_size), decode.background_threshold.has_value()};
}

}  // namespace groupvit::detail
