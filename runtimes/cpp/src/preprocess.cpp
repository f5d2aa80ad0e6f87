#include "preprocess.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "opencv_resize.hpp"
#include "pillow_resize.hpp"
#include "two_tap_resize.hpp"

namespace groupvit::detail {
namespace {

using Table = std::array<float, 256>;

Table table_of(const Preprocessing& spec, std::size_t channel) {
  Table table;
  for (std::size_t value = 0; value < table.size(); ++value) {
    table[value] = static_cast<float>((static_cast<double>(value) * spec.rescale - spec.mean[channel]) /
                                      spec.std[channel]);
  }
  return table;
}

RgbImage pad_edge(const RgbImage& image, Size size) {
  RgbImage result{size, std::vector<std::uint8_t>(static_cast<std::size_t>(size.height * size.width) * 3)};
  const auto width = static_cast<std::size_t>(image.size.width) * 3;
  const auto out_width = static_cast<std::size_t>(size.width) * 3;
  for (std::int64_t y = 0; y < size.height; ++y) {
    std::uint8_t* to = result.values.data() + static_cast<std::size_t>(y) * out_width;
    const std::int64_t source = std::min(y, image.size.height - 1);
    std::memcpy(to, image.values.data() + static_cast<std::size_t>(source) * width, width);
    for (std::size_t x = width; x < out_width; ++x) to[x] = to[x - 3];
  }
  return result;
}

}  // namespace

RgbImage resize_image(RgbImage rgb, Size size, const Preprocessing& spec) {
  if (rgb.size == size) return rgb;
  if (spec.filter == ResizeFilter::kOpenCvBilinear) return opencv_bilinear(rgb, size);
  if (spec.filter == ResizeFilter::kBilinear && !spec.antialias) return two_tap_resize(rgb, size);
  return pillow_resize(rgb, size, spec.filter);
}

RgbImage resize_for_windows(RgbImage rgb, const Preprocessing& spec, const WindowPlan& plan) {
  RgbImage image = resize_image(std::move(rgb), plan.size, spec);
  return plan.padded_size == plan.size ? image : pad_edge(image, plan.padded_size);
}

void normalize(const RgbImage& image, std::int64_t top, std::int64_t left, Size part,
               const Preprocessing& spec, float* out) {
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const Table table = table_of(spec, channel);
    const std::size_t source = spec.color_order == ColorOrder::kRgb ? channel : 2 - channel;
    for (std::int64_t y = 0; y < part.height; ++y, out += part.width) {
      const std::uint8_t* row = image.values.data() +
                                static_cast<std::size_t>((top + y) * image.size.width + left) * 3 + source;
      for (std::int64_t x = 0; x < part.width; ++x) out[x] = table[row[3 * x]];
    }
  }
}

}  // namespace groupvit::detail
