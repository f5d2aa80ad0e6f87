#include "opencv_resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "narrow_rows.hpp"

namespace groupvit::detail {
namespace {

// For every output index the two source indices and their weights, of 11 bits.
struct Taps {
  std::vector<std::int64_t> low;
  std::vector<std::int64_t> high;
  std::vector<std::int16_t> first;
  std::vector<std::int16_t> second;
};

// `clamped`: nothing of an index beyond the edge is kept.
Taps taps_of(std::int64_t src, std::int64_t dst, bool clamped) {
  Taps taps;
  // The quotient twice, as OpenCV takes it: its scale is one over the factor.
  const double scale = 1.0 / (static_cast<double>(dst) / static_cast<double>(src));
  const std::int64_t last = src - 1;
  for (std::int64_t d = 0; d < dst; ++d) {
    const auto position = static_cast<float>((static_cast<double>(d) + 0.5) * scale - 0.5);
    const float floor = std::floor(position);
    const auto low = static_cast<std::int64_t>(floor);
    const float t = clamped && (low < 0 || low >= last) ? 0.0f : position - floor;
    taps.low.push_back(std::clamp<std::int64_t>(low, 0, last));
    taps.high.push_back(std::clamp<std::int64_t>(low + 1, 0, last));
    taps.first.push_back(static_cast<std::int16_t>(std::nearbyint((1.0f - t) * 2048.0f)));
    taps.second.push_back(static_cast<std::int16_t>(std::nearbyint(t * 2048.0f)));
  }
  return taps;
}

// Columns of one row of an image, without the last four bits: at most 32640.
class NarrowRow {
 public:
  NarrowRow(std::int64_t src, std::int64_t dst) : taps_(taps_of(src, dst, true)) {
    // Four bytes of a pixel are read at once where that stays inside the row, four values written likewise.
    while (quick_ + 1 < taps_.low.size() && taps_.high[quick_] + 1 < src) ++quick_;
  }

  std::size_t size() const { return taps_.low.size() * 3; }

  void interpolate(const std::uint8_t* row, std::int16_t* out) const {
    std::size_t x = 0;
#if defined(__SSE2__)
    for (; x < quick_; ++x, out += 3) {
      // Both pixels' bytes in turn, each pair multiplied by the pair of weights and added.
      const __m128i bytes = _mm_unpacklo_epi8(pixel(row + taps_.low[x] * 3), pixel(row + taps_.high[x] * 3));
      const __m128i pairs = _mm_unpacklo_epi8(bytes, _mm_setzero_si128());
      const __m128i weights = _mm_set1_epi32(taps_.first[x] | taps_.second[x] << 16);
      const __m128i sums = _mm_srai_epi32(_mm_madd_epi16(pairs, weights), 4);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packs_epi32(sums, sums));
    }
#endif
    for (; x < taps_.low.size(); ++x, out += 3) {
      const std::uint8_t* a = row + taps_.low[x] * 3;
      const std::uint8_t* b = row + taps_.high[x] * 3;
      for (int c = 0; c < 3; ++c) {
        out[c] = static_cast<std::int16_t>((a[c] * taps_.first[x] + b[c] * taps_.second[x]) >> 4);
      }
    }
  }

 private:
#if defined(__SSE2__)
  static __m128i pixel(const std::uint8_t* at) {
    std::int32_t bytes;
    std::memcpy(&bytes, at, sizeof bytes);
    return _mm_cvtsi32_si128(bytes);
  }
#endif

  Taps taps_;
  std::size_t quick_ = 0;
};

RgbImage halved(const RgbImage& rgb, Size size) {
  const auto stride = static_cast<std::size_t>(rgb.size.width) * 3;
  const auto width = static_cast<std::size_t>(size.width) * 3;
  RgbImage result{size, std::vector<std::uint8_t>(static_cast<std::size_t>(size.height) * width)};
  std::uint8_t* to = result.values.data();
  for (std::int64_t y = 0; y < size.height; ++y) {
    const std::uint8_t* above = rgb.values.data() + static_cast<std::size_t>(2 * y) * stride;
    const std::uint8_t* below = above + stride;
    for (std::int64_t x = 0; x < size.width; ++x, above += 6, below += 6) {
      for (int c = 0; c < 3; ++c) {
        *to++ = static_cast<std::uint8_t>((above[c] + above[c + 3] + below[c] + below[c + 3] + 2) >> 2);
      }
    }
  }
  return result;
}

}  // namespace

RgbImage opencv_bilinear(const RgbImage& rgb, Size size) {
  if (rgb.size == size) return rgb;
  if (rgb.size == Size{2 * size.height, 2 * size.width}) return halved(rgb, size);
  const Taps down = taps_of(rgb.size.height, size.height, false);
  const NarrowRow narrow(rgb.size.width, size.width);
  const std::size_t width = narrow.size();
  RgbImage result{size, std::vector<std::uint8_t>(down.low.size() * width)};
  NarrowRows<std::int16_t, NarrowRow> rows(rgb, narrow);
  std::uint8_t* to = result.values.data();
  for (std::size_t y = 0; y < down.low.size(); ++y, to += width) {
    const std::int16_t* above = rows.row(down.low[y], down.high[y]);
    const std::int16_t* below = rows.row(down.high[y], down.low[y]);
    const std::int32_t first = down.first[y], second = down.second[y];
    for (std::size_t x = 0; x < width; ++x) {
      to[x] = static_cast<std::uint8_t>(((above[x] * first >> 16) + (below[x] * second >> 16) + 2) >> 2);
    }
  }
  return result;
}

}  // namespace groupvit::detail
