#include "two_tap_resize.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "resize.hpp"

namespace groupvit::detail {
namespace {

// Floats of one row of `picture`, its columns interpolated.
void narrow_row(const std::uint8_t* row, const LinearTaps& across, float* out) {
  for (std::size_t x = 0; x < across.t.size(); ++x, out += 3) {
    const std::uint8_t* a = row + static_cast<std::size_t>(across.low[x]) * 3;
    const std::uint8_t* b = row + static_cast<std::size_t>(across.high[x]) * 3;
    for (int c = 0; c < 3; ++c) out[c] = lerp(a[c], b[c], across.t[x]);
  }
}

// Between 0 and 255, where the floats around 2^23 are the integers: adding rounds to the nearest, ties to even.
std::uint8_t rounded(float value) {
  const float shifted = value + 8388608.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return static_cast<std::uint8_t>(bits);
}

}  // namespace

Picture two_tap_resize(const Picture& rgb, Size size) {
  const LinearTaps down = linear_taps(rgb.size.height, size.height);
  const LinearTaps across = linear_taps(rgb.size.width, size.width);
  const std::size_t width = across.t.size() * 3;
  Picture result{size, std::vector<std::uint8_t>(down.t.size() * width)};
  // The two source rows in use, and which they are: the next output row mostly looks at one of them again.
  std::array<std::vector<float>, 2> rows{std::vector<float>(width), std::vector<float>(width)};
  std::array<std::int32_t, 2> held{-1, -1};
  const auto row_of = [&](std::int32_t source, std::int32_t keep) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (held[i] == source) return rows[i].data();
    }
    const std::size_t i = held[0] == keep ? 1 : 0;
    narrow_row(rgb.values.data() + static_cast<std::size_t>(source * rgb.size.width) * 3, across, rows[i].data());
    held[i] = source;
    return rows[i].data();
  };
  std::uint8_t* to = result.values.data();
  for (std::size_t y = 0; y < down.t.size(); ++y, to += width) {
    const float* above = row_of(down.low[y], down.high[y]);
    const float* below = row_of(down.high[y], down.low[y]);
    const float t = down.t[y];
    for (std::size_t x = 0; x < width; ++x) to[x] = rounded(lerp(above[x], below[x], t));
  }
  return result;
}

}  // namespace groupvit::detail
