// Reads an image file by stb_image into RGB of 8 bits: deeper samples to the nearest level, alpha over white.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

struct Pixels {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
};

// `samples` of each pixel: gray or color, then alpha where their number is even.
inline void append_over_white(std::vector<std::uint8_t>& rgb, const std::uint8_t* pixel, int samples) {
  const bool color = samples >= 3;
  const int alpha = samples % 2 == 0 ? pixel[samples - 1] : 255;
  for (int c = 0; c < 3; ++c) {
    rgb.push_back(static_cast<std::uint8_t>((pixel[color ? c : 0] * alpha + 255 * (255 - alpha) + 127) / 255));
  }
}

// EXIF rotation is not followed: stb_image does not know it.
inline Pixels read_image(const char* path) {
  Pixels image;
  int samples = 0;
  std::unique_ptr<void, void (*)(void*)> decoded(nullptr, stbi_image_free);
  const bool deep = stbi_is_16_bit(path) != 0;
  if (deep) {
    decoded.reset(stbi_load_16(path, &image.width, &image.height, &samples, 0));
  } else {
    decoded.reset(stbi_load(path, &image.width, &image.height, &samples, 0));
  }
  if (decoded == nullptr) throw std::runtime_error(std::string(path) + ": " + stbi_failure_reason());
  const std::size_t count = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  image.rgb.reserve(3 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t first = i * static_cast<std::size_t>(samples);
    std::uint8_t pixel[4] = {};
    for (int c = 0; c < samples; ++c) {
      const std::size_t at = first + static_cast<std::size_t>(c);
      pixel[c] = deep ? static_cast<std::uint8_t>((static_cast<const stbi_us*>(decoded.get())[at] + 128) / 257)
                      : static_cast<const stbi_uc*>(decoded.get())[at];
    }
    append_over_white(image.rgb, pixel, samples);
  }
  return image;
}
