#include "window_scores.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "decode_checks.hpp"
#include "paper.hpp"
#include "upsampled_argmax.hpp"

namespace groupvit::detail {
namespace {

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

CodeScores selected(const std::vector<float>& table, std::size_t channels, const std::vector<std::size_t>& used) {
  CodeScores scores{used.size(), (used.size() + 3) / 4 * 4, {}};
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
  Average(const WindowPlan& plan, const std::vector<LabelMap>& groups, const std::vector<CodeScores>& tables)
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

  std::vector<std::int32_t> take_codes() { return std::move(codes_); }
  CodeScores take_scores() { return std::move(scores_); }

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
    const CodeScores& table = tables_[window];
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
  const std::vector<CodeScores>& tables_;
  std::vector<std::int32_t> codes_;
  CodeScores scores_;
};

}  // namespace

WindowScores average_windows(const WindowPlan& plan, const std::vector<ImageOutputs>& windows, const Classes& classes,
                             double logit_scale, const PaperDecode& decode) {
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
  WindowScores found;
  found.channels = tables[0].size() / groups;
  found.used = used_channels(tables, found.channels);
  std::vector<CodeScores> scores;
  for (const std::vector<float>& table : tables) scores.push_back(selected(table, found.channels, found.used));
  Average average(plan, group_maps, scores);
  found.codes = average.take_codes();
  found.scores = average.take_scores();
  return found;
}

}  // namespace groupvit::detail
