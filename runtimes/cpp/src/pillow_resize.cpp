#include "pillow_resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace groupvit::detail {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);
constexpr double kPi = 3.14159265358979323846;

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= kPi;
  // Pillow's constants are of single precision.
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= kPi;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*value)(double);
  double support;
};

Kernel kernel_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::kBox:
      return {box, 0.5};
    case ResizeFilter::kHamming:
      return {hamming, 1.0};
    case ResizeFilter::kBicubic:
      return {bicubic, 2.0};
    case ResizeFilter::kLanczos:
      return {lanczos, 3.0};
    case ResizeFilter::kBilinear:
    case ResizeFilter::kNearest:
    case ResizeFilter::kOpenCvBilinear:
      break;
  }
  return {bilinear, 1.0};
}

// What every output index of an axis is a weighted sum of. Weights are held in pairs, because two products
// are summed at once: weight = high * 2^kLowBits + low, so that both halves fit 16 bits. Sums of halves wrap
// around 2^32, their combination is exact.
struct Axis {
  static constexpr int kLowBits = 11;
  struct Pair {
    std::int16_t low[2];
    std::int16_t high[2];
  };
  struct Entry {
    std::int32_t first;
    std::int32_t pairs;
    std::size_t offset;
  };
  std::vector<Entry> entries;
  std::vector<Pair> weights;
};

Axis axis_of(std::int64_t src, std::int64_t dst, const Kernel& kernel) {
  const double scale = static_cast<double>(src) / static_cast<double>(dst);
  const double stretch = std::max(scale, 1.0);
  const double support = kernel.support * stretch;
  const double shrink = 1.0 / stretch;
  Axis axis;
  axis.entries.reserve(static_cast<std::size_t>(dst));
  std::vector<double> values;
  for (std::int64_t d = 0; d < dst; ++d) {
    const double center = (static_cast<double>(d) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
    const auto stop = std::min(static_cast<std::int64_t>(center + support + 0.5), src);
    values.clear();
    double sum = 0.0;
    for (std::int64_t i = first; i < stop; ++i) {
      values.push_back(kernel.value((static_cast<double>(i) - center + 0.5) * shrink));
      sum += values.back();
    }
    const auto count = static_cast<std::int32_t>(values.size());
    axis.entries.push_back({static_cast<std::int32_t>(first), (count + 1) / 2, axis.weights.size()});
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = sum == 0.0 ? values[i] : values[i] / sum;
      const double scaled = value * (1 << kPrecisionBits);
      const auto weight = static_cast<std::int32_t>(value < 0 ? scaled - 0.5 : scaled + 0.5);
      if (i % 2 == 0) axis.weights.push_back({});
      const std::int32_t low = weight & ((1 << Axis::kLowBits) - 1);
      axis.weights.back().low[i % 2] = static_cast<std::int16_t>(low);
      axis.weights.back().high[i % 2] = static_cast<std::int16_t>((weight - low) / (1 << Axis::kLowBits));
    }
  }
  return axis;
}

std::uint8_t clipped(std::uint32_t low, std::uint32_t high) {
  const auto sum = static_cast<std::int32_t>((high << Axis::kLowBits) + low + kHalf);
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// The sums of `channels` values that lie side by side: of `pairs` pairs of sources, `step` bytes apart.
void mix(const std::uint8_t* source, std::size_t step, const Axis::Pair* weights, std::int32_t pairs,
         bool last_is_single, std::size_t channels, std::uint8_t* out) {
  for (std::size_t c = 0; c < channels; ++c) {
    std::uint32_t low = 0, high = 0;
    for (std::int32_t i = 0; i < pairs; ++i) {
      const std::uint8_t* at = source + static_cast<std::size_t>(2 * i) * step + c;
      const std::int32_t a = at[0], b = last_is_single && i == pairs - 1 ? 0 : at[step];
      low += static_cast<std::uint32_t>(a * weights[i].low[0] + b * weights[i].low[1]);
      high += static_cast<std::uint32_t>(a * weights[i].high[0] + b * weights[i].high[1]);
    }
    out[c] = clipped(low, high);
  }
}

#if defined(__SSE2__)

std::int32_t load32(const void* at) {
  std::int32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct Weights {
  __m128i low, high;
  explicit Weights(const Axis::Pair& pair)
      : low(_mm_set1_epi32(load32(pair.low))), high(_mm_set1_epi32(load32(pair.high))) {}
};

// Four sums, as 32-bit integers 0 to 255 before they are packed.
__m128i rounded(__m128i low, __m128i high) {
  const __m128i sum =
      _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high, Axis::kLowBits), low), _mm_set1_epi32(kHalf));
  return _mm_srai_epi32(sum, kPrecisionBits);
}

void add(__m128i values, const Weights& weights, __m128i& low, __m128i& high) {
  low = _mm_add_epi32(low, _mm_madd_epi16(values, weights.low));
  high = _mm_add_epi32(high, _mm_madd_epi16(values, weights.high));
}

#endif

#if defined(__SSE2__)
// One output of `rows` rows that lie `step` and `out_step` bytes apart, four bytes read and written at once.
template <std::size_t rows>
void mix_pixel(const std::uint8_t* source, std::size_t step, const Axis::Pair* weights, std::int32_t pairs,
               std::uint8_t* to, std::size_t out_step) {
  __m128i low[rows], high[rows];
  for (std::size_t row = 0; row < rows; ++row) low[row] = high[row] = _mm_setzero_si128();
  for (std::int32_t i = 0; i < pairs; ++i, source += 6) {
    const Weights pair(weights[i]);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::uint8_t* at = source + row * step;
      const __m128i bytes =
          _mm_unpacklo_epi8(_mm_cvtsi32_si128(load32(at)), _mm_cvtsi32_si128(load32(at + 3)));
      add(_mm_unpacklo_epi8(bytes, _mm_setzero_si128()), pair, low[row], high[row]);
    }
  }
  for (std::size_t row = 0; row < rows; ++row) {
    const __m128i words = _mm_packs_epi32(rounded(low[row], high[row]), _mm_setzero_si128());
    const std::int32_t pixel = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(to + row * out_step, &pixel, sizeof pixel);
  }
}
#endif

// All outputs of `rows` rows.
template <std::size_t rows>
void horizontal_rows(const std::uint8_t* source, std::size_t step, std::int64_t src, const Axis& axis,
                     std::uint8_t* to, std::size_t out_step) {
  for (std::size_t x = 0; x < axis.entries.size(); ++x, to += 3) {
    const Axis::Entry entry = axis.entries[x];
    const Axis::Pair* weights = axis.weights.data() + entry.offset;
    const std::uint8_t* at = source + static_cast<std::size_t>(entry.first) * 3;
#if defined(__SSE2__)
    // Only where a byte beyond the pixel is still inside the row, of the source and of the result.
    if (entry.first + 2 * entry.pairs < src && x + 1 < axis.entries.size()) {
      mix_pixel<rows>(at, step, weights, entry.pairs, to, out_step);
      continue;
    }
#endif
    const bool last_is_single = entry.first + 2 * entry.pairs > src;
    for (std::size_t row = 0; row < rows; ++row) {
      mix(at + row * step, 3, weights, entry.pairs, last_is_single, 3, to + row * out_step);
    }
  }
}

// [count, src, 3] to [count, dst, 3]. Four rows share what is read of the axis.
void horizontal(const std::uint8_t* rows, std::int64_t count, std::int64_t src, const Axis& axis,
                std::vector<std::uint8_t>& out) {
  const auto step = static_cast<std::size_t>(src) * 3;
  const std::size_t out_step = axis.entries.size() * 3;
  out.resize(static_cast<std::size_t>(count) * out_step);
  std::uint8_t* to = out.data();
  std::int64_t y = 0;
  for (; y + 4 <= count; y += 4, rows += 4 * step, to += 4 * out_step) {
    horizontal_rows<4>(rows, step, src, axis, to, out_step);
  }
  for (; y < count; ++y, rows += step, to += out_step)
    horizontal_rows<1>(rows, step, src, axis, to, out_step);
}

// [src, width] to [dst, width].
void vertical(const std::uint8_t* rows, std::int64_t src, std::size_t width, const Axis& axis,
              std::vector<std::uint8_t>& out) {
  out.resize(axis.entries.size() * width);
  std::uint8_t* to = out.data();
  for (const Axis::Entry& entry : axis.entries) {
    const Axis::Pair* weights = axis.weights.data() + entry.offset;
    const std::uint8_t* source = rows + static_cast<std::size_t>(entry.first) * width;
    const bool last_is_single = entry.first + 2 * entry.pairs > src;
    std::size_t x = 0;
#if defined(__SSE2__)
    for (; x + 8 <= width; x += 8) {
      __m128i low[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
      __m128i high[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
      for (std::int32_t i = 0; i < entry.pairs; ++i) {
        const std::uint8_t* at = source + static_cast<std::size_t>(2 * i) * width + x;
        const std::uint8_t* next = last_is_single && i == entry.pairs - 1 ? at : at + width;
        const __m128i bytes = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)),
                                                _mm_loadl_epi64(reinterpret_cast<const __m128i*>(next)));
        const Weights pair(weights[i]);
        add(_mm_unpacklo_epi8(bytes, _mm_setzero_si128()), pair, low[0], high[0]);
        add(_mm_unpackhi_epi8(bytes, _mm_setzero_si128()), pair, low[1], high[1]);
      }
      const __m128i words = _mm_packs_epi32(rounded(low[0], high[0]), rounded(low[1], high[1]));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(to + x), _mm_packus_epi16(words, words));
    }
#endif
    mix(source + x, width, weights, entry.pairs, last_is_single, width - x, to + x);
    to += width;
  }
}

// Positions as Pillow finds them: from the middle of the first pixel, one step after another.
std::vector<std::int64_t> nearest_of(std::int64_t src, std::int64_t dst) {
  const double step = static_cast<double>(src) / static_cast<double>(dst);
  std::vector<std::int64_t> result;
  result.reserve(static_cast<std::size_t>(dst));
  double position = step * 0.5;
  for (std::int64_t d = 0; d < dst; ++d, position += step) {
    result.push_back(static_cast<std::int64_t>(position));
  }
  return result;
}

RgbImage nearest_resize(const RgbImage& rgb, Size size) {
  RgbImage result{size, std::vector<std::uint8_t>(static_cast<std::size_t>(size.height * size.width) * 3)};
  const auto rows = nearest_of(rgb.size.height, size.height);
  const auto columns = nearest_of(rgb.size.width, size.width);
  std::uint8_t* to = result.values.data();
  for (const std::int64_t y : rows) {
    for (const std::int64_t x : columns) {
      // Beyond the border, where rounding may lead, Pillow leaves black.
      if (y < rgb.size.height && x < rgb.size.width) {
        std::memcpy(to, rgb.values.data() + static_cast<std::size_t>(y * rgb.size.width + x) * 3, 3);
      }
      to += 3;
    }
  }
  return result;
}

}  // namespace

RgbImage pillow_resize(const RgbImage& rgb, Size size, ResizeFilter filter) {
  if (filter == ResizeFilter::kNearest) return nearest_resize(rgb, size);
  const Kernel kernel = kernel_of(filter);
  const std::uint8_t* values = rgb.values.data();
  std::int64_t height = rgb.size.height;
  std::vector<std::uint8_t> narrow;
  RgbImage result{size, {}};
  const bool across = size.width != rgb.size.width, down = size.height != height;
  if (across) {
    std::vector<std::uint8_t>& out = down ? narrow : result.values;
    horizontal(values, height, rgb.size.width, axis_of(rgb.size.width, size.width, kernel), out);
    values = out.data();
  }
  if (down) {
    vertical(values, height, static_cast<std::size_t>(size.width) * 3, axis_of(height, size.height, kernel),
             result.values);
  }
  if (!across && !down) result.values = rgb.values;
  return result;
}

}  // namespace groupvit::detail
