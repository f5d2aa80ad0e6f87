#include "two_tap_resize.hpp"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "narrow_rows.hpp"
#include "resize.hpp"

namespace groupvit::detail {
namespace {

// Floats of one row of an image, its columns interpolated.
class NarrowRow {
 public:
  NarrowRow(std::int64_t src, std::int64_t dst) : taps_(linear_taps(src, dst)) {
    // Four bytes of a pixel are read at once where that stays inside the row, four floats written likewise.
    while (quick_ + 1 < taps_.t.size() && taps_.high[quick_] + 1 < src) ++quick_;
  }

  std::size_t size() const { return taps_.t.size() * 3; }

  void interpolate(const std::uint8_t* row, float* out) const {
    std::size_t x = 0;
#if defined(__SSE2__)
    for (; x < quick_; ++x, out += 3) {
      const __m128 a = pixel(row + taps_.low[x] * 3);
      const __m128 b = pixel(row + taps_.high[x] * 3);
      const __m128 product = _mm_mul_ps(_mm_set1_ps(taps_.t[x]), _mm_sub_ps(b, a));
      _mm_storeu_ps(out, _mm_add_ps(a, product));
    }
#endif
    for (; x < taps_.t.size(); ++x, out += 3) {
      const std::uint8_t* a = row + taps_.low[x] * 3;
      const std::uint8_t* b = row + taps_.high[x] * 3;
      for (int c = 0; c < 3; ++c) out[c] = lerp(a[c], b[c], taps_.t[x]);
    }
  }

 private:
#if defined(__SSE2__)
  static __m128 pixel(const std::uint8_t* at) {
    std::int32_t bytes;
    std::memcpy(&bytes, at, sizeof bytes);
    const __m128i words = _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), _mm_setzero_si128());
    return _mm_cvtepi32_ps(_mm_unpacklo_epi16(words, _mm_setzero_si128()));
  }
#endif

  LinearTaps taps_;
  std::size_t quick_ = 0;
};

// Between 0 and 255, where the floats around 2^23 are the integers: adding rounds to the nearest, ties to
// even.
std::uint8_t rounded(float value) {
  const float shifted = value + 8388608.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return static_cast<std::uint8_t>(bits);
}

}  // namespace

RgbImage two_tap_resize(const RgbImage& rgb, Size size) {
  const LinearTaps down = linear_taps(rgb.size.height, size.height);
  const NarrowRow narrow(rgb.size.width, size.width);
  const std::size_t width = narrow.size();
  RgbImage result{size, std::vector<std::uint8_t>(down.t.size() * width)};
  NarrowRows<float, NarrowRow> rows(rgb, narrow);
  std::uint8_t* to = result.values.data();
  for (std::size_t y = 0; y < down.t.size(); ++y, to += width) {
    const float* above = rows.row(down.low[y], down.high[y]);
    const float* below = rows.row(down.high[y], down.low[y]);
    const float t = down.t[y];
    for (std::size_t x = 0; x < width; ++x) to[x] = rounded(lerp(above[x], below[x], t));
  }
  return result;
}

}  // namespace groupvit::detail
