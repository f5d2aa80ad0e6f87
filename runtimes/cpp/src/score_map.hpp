// The score of every class at every pixel, computed where it is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "decode.hpp"

namespace groupvit::detail {

// Rows and planes of a score map, and where they go: `row_stride` and `plane_stride` floats from one to the next.
struct PlaneRows {
  std::size_t first_plane, planes;
  std::int64_t first_row, rows;
  float* to;
  std::ptrdiff_t row_stride, plane_stride;
};

// float32 [planes, size]. Immutable.
class ScoreMap {
 public:
  ScoreMap(Size size, std::size_t planes) : size_(size), planes_(planes) {}
  virtual ~ScoreMap() = default;
  ScoreMap(const ScoreMap&) = delete;
  ScoreMap& operator=(const ScoreMap&) = delete;

  Size size() const { return size_; }
  std::size_t planes() const { return planes_; }

  virtual void scores(const PlaneRows& wanted) const = 0;
  // The largest of all planes; `row_stride` floats from one row to the next.
  virtual void best(std::int64_t first_row, std::int64_t rows, float* to, std::ptrdiff_t row_stride) const = 0;

 private:
  Size size_;
  std::size_t planes_;
};

// From the winners among all planes to labels: `unlabeled` where the plane of that number or a later one wins, or where the
// best score is below the threshold.
void abstain(const ScoreMap& map, std::uint16_t unlabeled, std::optional<double> threshold, LabelMap& winners);

// Softmax over the classes of exp(logit_scale) * hf_scores, upsampled through `pixel_size` to `size`. `size` that of the
// grid, and `pixel_size` with it: the scores before they are upsampled.
std::unique_ptr<const ScoreMap> hf_score_map(const ImageOutputs& outputs, const Classes& classes, double logit_scale,
                                             Size pixel_size, Size size);

}  // namespace groupvit::detail
