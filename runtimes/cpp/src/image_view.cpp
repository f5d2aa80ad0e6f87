#include "image_view.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "error.hpp"

namespace groupvit::detail {
namespace {

struct Layout {
  std::int64_t channels;
  int red, blue;
  bool alpha;
};

Layout layout_of(std::int32_t format) {
  switch (format) {
    case GROUPVIT_RGB:
      return {3, 0, 2, false};
    case GROUPVIT_BGR:
      return {3, 2, 0, false};
    case GROUPVIT_RGBA:
      return {4, 0, 2, true};
    case GROUPVIT_BGRA:
      return {4, 2, 0, true};
    case GROUPVIT_RGBX:
      return {4, 0, 2, false};
    case GROUPVIT_BGRX:
      return {4, 2, 0, false};
  }
  throw Error(GROUPVIT_ERROR_USAGE, "the image's pixel format is none", std::to_string(format),
              "GROUPVIT_RGB, _BGR, _RGBA, _BGRA, _RGBX or _BGRX");
}

// The color stored under a transparent pixel is arbitrary.
std::uint8_t over_white(std::uint8_t color, std::uint8_t alpha) {
  return static_cast<std::uint8_t>((color * alpha + 255 * (255 - alpha) + 127) / 255);
}

std::string by(std::int64_t width, std::int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

void check_size(const groupvit_image& image) {
  if (image.width < 1 || image.height < 1) {
    throw Error(GROUPVIT_ERROR_IMAGE, "the image has no pixels", by(image.width, image.height),
                "a width and a height of at least 1");
  }
  if (image.width > kMaxPixels / image.height) {
    throw Error(GROUPVIT_ERROR_IMAGE, "the image is too large", by(image.width, image.height) + " pixels",
                "at most " + std::to_string(kMaxPixels) + " pixels", "shrink the image");
  }
  if (std::max(image.width, image.height) > kMaxSide) {
    throw Error(GROUPVIT_ERROR_IMAGE, "the image is too long", by(image.width, image.height) + " pixels",
                "at most " + std::to_string(kMaxSide) + " pixels a side", "cut it into shorter images");
  }
}

std::int64_t stride_of(const groupvit_image& image, std::int64_t row) {
  if (image.stride == 0) return row;
  if (image.stride < row || image.stride > std::numeric_limits<std::ptrdiff_t>::max() / image.height) {
    throw Error(GROUPVIT_ERROR_IMAGE, "the rows of the image cannot lie so",
                "a stride of " + std::to_string(image.stride) + " bytes",
                std::to_string(row) + " bytes or more, or 0 for rows without gaps");
  }
  return image.stride;
}

}  // namespace

RgbImage read_image(const groupvit_image& image) {
  const Layout layout = layout_of(image.format);
  check_size(image);
  const std::int64_t stride = stride_of(image, image.width * layout.channels);
  if (image.pixels == nullptr) {
    throw Error(GROUPVIT_ERROR_USAGE, "the image has no address", "pixels is NULL",
                by(image.width, image.height) + " pixels");
  }
  const std::size_t width = static_cast<std::size_t>(image.width);
  RgbImage rgb{{image.height, image.width}, {}};
  rgb.values.resize(static_cast<std::size_t>(image.height) * width * 3);
  std::uint8_t* target = rgb.values.data();
  for (std::int64_t y = 0; y < image.height; ++y, target += width * 3) {
    const std::uint8_t* source = image.pixels + y * stride;
    if (image.format == GROUPVIT_RGB) {
      std::memcpy(target, source, width * 3);
      continue;
    }
    for (std::size_t x = 0; x < width; ++x, source += layout.channels) {
      const std::uint8_t alpha = layout.alpha ? source[3] : 255;
      target[3 * x] = over_white(source[layout.red], alpha);
      target[3 * x + 1] = over_white(source[1], alpha);
      target[3 * x + 2] = over_white(source[layout.blue], alpha);
    }
  }
  return rgb;
}

}  // namespace groupvit::detail
