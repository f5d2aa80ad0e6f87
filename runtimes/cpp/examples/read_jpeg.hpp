// JPEG by libjpeg, whose warnings are errors: a scan that ends early would be filled with gray.
#pragma once

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <jpeglib.h>

#include "pixels.hpp"

struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf back;
  char text[JMSG_LENGTH_MAX];
};

// Encoders write some ten; each costs the time of a pass over the image, however few bytes it has.
constexpr int kMostScans = 100;

[[noreturn]] inline void keep_jpeg_error(j_common_ptr decoder) {
  auto& errors = *reinterpret_cast<JpegErrors*>(decoder->err);
  decoder->err->format_message(decoder, errors.text);
  std::longjmp(errors.back, 1);
}

inline void warning_is_error(j_common_ptr decoder, int level) {
  if (level < 0) keep_jpeg_error(decoder);
}

inline void count_scans(j_common_ptr decoder) {
  auto& errors = *reinterpret_cast<JpegErrors*>(decoder->err);
  if (reinterpret_cast<j_decompress_ptr>(decoder)->input_scan_number <= kMostScans) return;
  std::snprintf(errors.text, sizeof errors.text, "it has more than %d scans", kMostScans);
  std::longjmp(errors.back, 1);
}

// Adobe's CMYK, inverted as everybody's is, by Pillow's arithmetic.
inline void cmyk_to_rgb(const std::uint8_t* cmyk, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4) {
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - cmyk[c]) * cmyk[3] + 128;
      *rgb++ = static_cast<std::uint8_t>(std::max(cmyk[3] - (((product >> 8) + product) >> 8), 0));
    }
  }
}

// What is wrong with the file, or nothing.
inline std::string read_jpeg(const std::vector<std::uint8_t>& data, Pixels& image) {
  // All that has a destructor is made before libjpeg may jump over it.
  jpeg_decompress_struct decoder{};
  JpegErrors errors{};
  jpeg_progress_mgr progress{};
  std::vector<std::uint8_t> row;
  std::string wrong;
  decoder.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = keep_jpeg_error;
  errors.manager.emit_message = warning_is_error;
  progress.progress_monitor = count_scans;
  if (setjmp(errors.back) != 0) {
    jpeg_destroy_decompress(&decoder);
    return errors.text;
  }
  jpeg_create_decompress(&decoder);
  decoder.progress = &progress;
  jpeg_mem_src(&decoder, data.data(), static_cast<unsigned long>(data.size()));
  jpeg_read_header(&decoder, TRUE);
  wrong = reserve(image, decoder.image_width, decoder.image_height);
  if (!wrong.empty()) {
    jpeg_destroy_decompress(&decoder);
    return wrong;
  }
  const bool cmyk = decoder.num_components == 4;
  decoder.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&decoder);
  const auto width = static_cast<std::size_t>(image.width);
  row.resize(4 * width);
  while (decoder.output_scanline < decoder.output_height) {
    std::uint8_t* const rgb = image.rgb.data() + 3 * width * decoder.output_scanline;
    std::uint8_t* line = cmyk ? row.data() : rgb;
    jpeg_read_scanlines(&decoder, &line, 1);
    if (cmyk) cmyk_to_rgb(row.data(), image.width, rgb);
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  return {};
}
