// PNG files by libpng.
#pragma once

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "colors.hpp"

inline void write_png(const std::string& path, int width, int height, png_uint_32 format, const void* pixels,
                      const std::vector<Color>& colors = {}) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = format;
  image.colormap_entries = static_cast<png_uint_32>(colors.size());
  if (png_image_write_to_file(&image, path.c_str(), 0, pixels, 0, colors.data()) == 0) {
    throw std::runtime_error(path + ": " + image.message);
  }
}

// A label map whose pixel values are the labels, uint16 [height, width]: 8 bits and a palette for up to 256 classes,
// 16 bits beyond.
inline void write_label_png(const std::string& path, int width, int height, const std::uint16_t* labels,
                            const std::vector<std::string>& names, bool unlabeled) {
  if (names.size() > 256) return write_png(path, width, height, PNG_FORMAT_LINEAR_Y, labels);
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  std::vector<std::uint8_t> bytes(count);
  std::transform(labels, labels + count, bytes.begin(), [](std::uint16_t label) { return static_cast<std::uint8_t>(label); });
  // With 16 colors or fewer libpng would take fewer bits, which not every reader unpacks.
  std::vector<Color> colors = class_colors(names, unlabeled);
  colors.resize(std::max<std::size_t>(colors.size(), 17));
  write_png(path, width, height, PNG_FORMAT_RGB_COLORMAP, bytes.data(), colors);
}
