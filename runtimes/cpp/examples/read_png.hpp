// PNG by libpng, with every checksum compared.
#pragma once

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "pixels.hpp"

struct PngSource {
  const std::uint8_t* next;
  std::size_t left;
  char error[200];
};

inline void read_png_bytes(png_structp png, png_bytep out, std::size_t size) {
  auto& source = *static_cast<PngSource*>(png_get_io_ptr(png));
  if (size > source.left) png_error(png, "the file ends before the image does");
  std::memcpy(out, source.next, size);
  source.next += size;
  source.left -= size;
}

[[noreturn]] inline void keep_png_error(png_structp png, png_const_charp message) {
  auto& source = *static_cast<PngSource*>(png_get_error_ptr(png));
  std::snprintf(source.error, sizeof source.error, "%s", message);
  png_longjmp(png, 1);
}

inline void ignore_png_warning(png_structp, png_const_charp) {}

// `samples` of each pixel, of 8 bits or 16 (most significant byte first): gray or color, then alpha where their number
// is even.
inline void row_over_white(const std::uint8_t* row, int width, int samples, bool deep, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x) {
    std::uint8_t pixel[4] = {};
    for (int c = 0; c < samples; ++c) {
      const std::uint8_t* const at = row + (static_cast<std::ptrdiff_t>(x) * samples + c) * (deep ? 2 : 1);
      pixel[c] = deep ? static_cast<std::uint8_t>((at[0] * 256 + at[1] + 128) / 257) : at[0];
    }
    const int alpha = samples % 2 == 0 ? pixel[samples - 1] : 255;
    for (int c = 0; c < 3; ++c) {
      const int value = pixel[samples >= 3 ? c : 0];
      *rgb++ = static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
}

// What is wrong with the file, or nothing.
inline std::string read_png(const std::vector<std::uint8_t>& data, Pixels& image) {
  // All that has a destructor is made before libpng may jump over it.
  PngSource source{data.data(), data.size(), {}};
  std::vector<std::uint8_t> rows;
  std::string wrong;
  png_infop info = nullptr;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, keep_png_error, ignore_png_warning);
  if (png == nullptr) return "libpng cannot be used";
  if (setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_read_struct(&png, &info, nullptr);
    return source.error;
  }
  info = png_create_info_struct(png);
  png_set_read_fn(png, &source, read_png_bytes);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(png, 0);
  // Of what is beside the pixels only the transparent color means something here.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_byte transparency[] = "tRNS";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, transparency, 1);
  png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
  png_read_info(png, info);
  wrong = reserve(image, png_get_image_width(png, info), png_get_image_height(png, info));
  if (!wrong.empty()) {
    png_destroy_read_struct(&png, &info, nullptr);
    return wrong;
  }
  png_set_expand(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const std::size_t row_bytes = png_get_rowbytes(png, info);
  const int samples = png_get_channels(png, info);
  const bool deep = png_get_bit_depth(png, info) == 16;
  const auto height = static_cast<std::size_t>(image.height), width = static_cast<std::size_t>(image.width);
  // An interlaced image comes in parts, any other a row at a time.
  rows.resize(row_bytes * (passes > 1 ? height : 1));
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t y = 0; y < height; ++y) {
      std::uint8_t* const row = rows.data() + (passes > 1 ? y * row_bytes : 0);
      png_read_row(png, row, nullptr);
      if (pass + 1 == passes) row_over_white(row, image.width, samples, deep, image.rgb.data() + 3 * y * width);
    }
  }
  png_read_end(png, nullptr);
  png_destroy_read_struct(&png, &info, nullptr);
  return {};
}
