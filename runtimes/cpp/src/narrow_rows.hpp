// Rows of an image whose columns are interpolated already, for resizes that mix two rows at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "preprocess.hpp"

namespace groupvit::detail {

// Keeps the two source rows in use: the next output row mostly looks at one of them again. `Narrow` has `size()`
// values a row and `interpolate(const std::uint8_t* row, Value* out)`.
template <class Value, class Narrow>
class NarrowRows {
 public:
  NarrowRows(const RgbImage& rgb, const Narrow& narrow)
      : rgb_(rgb), narrow_(narrow), rows_{std::vector<Value>(narrow.size()), std::vector<Value>(narrow.size())} {}

  // The row `source`; what was returned for `keep` stays as it is.
  const Value* row(std::int64_t source, std::int64_t keep) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (held_[i] == source) return rows_[i].data();
    }
    const std::size_t i = held_[0] == keep ? 1 : 0;
    narrow_.interpolate(rgb_.values.data() + static_cast<std::size_t>(source * rgb_.size.width) * 3, rows_[i].data());
    held_[i] = source;
    return rows_[i].data();
  }

 private:
  const RgbImage& rgb_;
  const Narrow& narrow_;
  std::array<std::vector<Value>, 2> rows_;
  std::array<std::int64_t, 2> held_{-1, -1};
};

}  // namespace groupvit::detail
