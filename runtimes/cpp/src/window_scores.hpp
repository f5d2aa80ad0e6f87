// The inside of the paper decode: the averaged scores of an image's windows.
//
// They take only as many different values as there are combinations of groups, so pixels carry a code, the number of
// their combination, and scores are interpolated only where that is wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "decode.hpp"
#include "score_map.hpp"

namespace groupvit::detail {

// float32 [rows, channels], and how many of the channels count: rows are padded to a multiple of 4 with -1,
// which loses against every score.
struct CodeScores {
  std::size_t channels = 0;
  std::size_t stride = 0;
  std::vector<float> values;

  std::size_t rows() const { return values.size() / stride; }
  const float* row(std::size_t index) const { return values.data() + index * stride; }
};

// `codes` [plan.size]: rows of `scores`. `used`: the channels that `scores` has, in ascending order; those of `channels`
// that are left out are 0 everywhere.
struct WindowScores {
  std::vector<std::int32_t> codes;
  CodeScores scores;
  std::vector<std::size_t> used;
  std::size_t channels = 0;
};

// On the resized image, with the background in front where there is a threshold. Throws what paper_decode does.
WindowScores average_windows(const WindowPlan& plan, const std::vector<ImageOutputs>& windows, const Classes& classes,
                             double logit_scale, const PaperDecode& decode);

// The winning channels of the scores, which lie on `grid`, resized to `size`.
LabelMap winners(const WindowScores& found, Size grid, Size size);

// The scores resized to `size`.
std::unique_ptr<const ScoreMap> paper_score_map(WindowScores found, Size grid, Size size);

}  // namespace groupvit::detail
