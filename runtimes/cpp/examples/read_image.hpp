// Reads a PNG or JPEG file into RGB of 8 bits: deeper samples to the nearest level, alpha over white. What is damaged is
// refused: checksums of PNG are compared, and what libjpeg warns of is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "read_jpeg.hpp"
#include "read_png.hpp"

// EXIF rotation is not followed: neither library knows it.
inline Pixels read_image(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string(path) + ": cannot be opened");
  const std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Pixels image;
  std::string wrong = "neither PNG nor JPEG; other formats have to be saved as one of them";
  if (data.size() > 8 && png_sig_cmp(data.data(), 0, 8) == 0) {
    wrong = read_png(data, image);
  } else if (data.size() > 3 && data[0] == 0xFF && data[1] == 0xD8) {
    wrong = read_jpeg(data, image);
  }
  if (!wrong.empty()) throw std::runtime_error(std::string(path) + ": " + wrong);
  return image;
}
