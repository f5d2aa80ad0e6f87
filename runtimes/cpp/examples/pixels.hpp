// An image in memory, and how large one may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct Pixels {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]
};

// As the library takes them.
constexpr std::uint64_t kMostPixels = 178956970;

// Makes room, or says why there is none.
inline std::string reserve(Pixels& image, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) return "it has no pixels";
  if (width > kMostPixels / height) {
    return std::to_string(width) + " x " + std::to_string(height) + " pixels, and " + std::to_string(kMostPixels) +
           " are read at most";
  }
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.resize(3 * static_cast<std::size_t>(width * height));
  return {};
}
