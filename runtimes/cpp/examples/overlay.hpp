// The image with its classes in color, outlined, and a legend below, by the rules of groupvit_runtime.render.overlay.
#pragma once

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "colors.hpp"

struct Rgb {
  int width;
  int height;
  std::vector<std::uint8_t> values;  // [height, width, 3]

  Rgb(int w, int h) : width(w), height(h), values(3 * static_cast<std::size_t>(w) * static_cast<std::size_t>(h), 255) {}
  std::uint8_t* at(int x, int y) { return values.data() + 3 * (static_cast<std::size_t>(y) * width + x); }

  void fill(int left, int top, int right, int bottom, const Color& color) {
    for (int y = std::max(top, 0); y < std::min(bottom, height); ++y) {
      for (int x = std::max(left, 0); x < std::min(right, width); ++x) std::copy_n(color.data(), 3, at(x, y));
    }
  }
};

// Whether a pixel lies within a line's width of another class, to its left, right, above or below.
inline bool is_outline(const std::uint16_t* labels, int width, int height, int x, int y) {
  const int line = std::max(std::min(width, height) / 320, 1);
  const auto differs = [&](int x1, int y1, int x2, int y2) {
    if (x2 >= width || y2 >= height || x1 < 0 || y1 < 0) return false;
    return labels[static_cast<std::ptrdiff_t>(y1) * width + x1] != labels[static_cast<std::ptrdiff_t>(y2) * width + x2];
  };
  for (int step = 0; step < line; ++step) {
    if (differs(x + step, y, x + step + 1, y) || differs(x - step - 1, y, x - step, y) ||
        differs(x, y + step, x, y + step + 1) || differs(x, y - step - 1, x, y - step)) {
      return true;
    }
  }
  return false;
}

// The classes' colors at half strength over the pixels, and whole on outlines; none where the label is `unpainted`.
inline void blend(Rgb& canvas, const std::uint8_t* pixels, const std::uint16_t* labels, int width, int height,
                  const std::vector<Color>& colors, std::size_t unpainted) {
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(y) * width + x;
      const int strength = is_outline(labels, width, height, x, y) ? 256 : 128;
      const int share = labels[place] == unpainted ? 0 : strength;
      const Color& color = colors[labels[place]];
      for (int c = 0; c < 3; ++c) {
        canvas.at(x, y)[c] = static_cast<std::uint8_t>((pixels[3 * place + c] * (256 - share) + color[c] * share) >> 8);
      }
    }
  }
}

// The font has ASCII only; other names still have their index.
inline std::string written(const std::string& name, std::size_t index) {
  std::string text;
  for (const char letter : name) text += letter >= ' ' && letter <= '~' ? letter : '?';
  return text == name ? text : "#" + std::to_string(index) + " " + text;
}

inline void draw_text(Rgb& canvas, int left, int top, int scale, std::string text) {
  struct Corner {
    float x, y, z;
    std::uint8_t color[4];
  };
  std::vector<Corner> corners(4 * 40 * (text.size() + 1));
  const int quads = stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                                        static_cast<int>(corners.size() * sizeof(Corner)));
  for (int quad = 0; quad < quads; ++quad) {
    const Corner &first = corners[4 * quad], &last = corners[4 * quad + 2];
    const auto scaled = [&](float value) { return static_cast<int>(value) * scale; };
    canvas.fill(left + scaled(first.x), top + scaled(first.y), left + scaled(last.x), top + scaled(last.y), {24, 24, 24});
  }
}

// [height, width, channels] with every pixel `factor` times across and down.
template <class T>
std::vector<T> repeated(const T* values, int width, int height, int channels, int factor) {
  std::vector<T> made;
  made.reserve(static_cast<std::size_t>(width) * height * channels * factor * factor);
  for (int y = 0; y < height * factor; ++y) {
    const T* const row = values + static_cast<std::ptrdiff_t>(y / factor) * width * channels;
    for (int x = 0; x < width * factor; ++x) {
      const T* const pixel = row + static_cast<std::ptrdiff_t>(x / factor) * channels;
      made.insert(made.end(), pixel, pixel + channels);
    }
  }
  return made;
}

// `counts`: pixels of every class. Those that occur are listed by their share. Small images are enlarged, so that the
// legend can be read. `unlabeled`: whether the last of the names is what pixels are called that are none of the labels.
inline Rgb overlay(const std::uint8_t* pixels, const std::uint16_t* labels, int width, int height,
                   const std::vector<std::string>& names, const std::vector<std::size_t>& counts, bool unlabeled) {
  constexpr std::size_t kMost = 60;
  constexpr int kShort = 480, kLong = 2048;
  const int wanted = (kShort - 1) / std::min(width, height) + 1;
  const int factor = std::max(std::min(wanted, kLong / std::max(width, height)), 1);
  const double total = 1.0 * width * height;
  const std::vector<std::uint8_t> large_pixels = repeated(pixels, width, height, 3, factor);
  const std::vector<std::uint16_t> large_labels = repeated(labels, width, height, 1, factor);
  width *= factor;
  height *= factor;
  std::vector<std::size_t> shown(names.size());
  std::iota(shown.begin(), shown.end(), std::size_t{0});
  shown.erase(std::remove_if(shown.begin(), shown.end(), [&](std::size_t i) { return counts[i] == 0; }), shown.end());
  std::stable_sort(shown.begin(), shown.end(), [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  shown.resize(std::min(shown.size(), kMost));
  const std::vector<Color> colors = class_colors(names, unlabeled);
  const std::size_t unpainted = unlabeled ? names.size() - 1 : names.size();
  const int wide = std::max(width, kShort), scale = std::max(wide / 320, 1), row = 14 * scale;
  Rgb canvas(wide, height + row * static_cast<int>(shown.size()) + row / 2);
  blend(canvas, large_pixels.data(), large_labels.data(), width, height, colors, unpainted);
  int top = height + row / 4;
  for (const std::size_t index : shown) {
    char share[16];
    std::snprintf(share, sizeof share, "%5.1f %%", 100.0 * static_cast<double>(counts[index]) / total);
    if (index != unpainted) canvas.fill(row / 2, top + scale, row / 2 + 10 * scale, top + 11 * scale, colors[index]);
    draw_text(canvas, 2 * row, top + 3 * scale, scale, share);
    draw_text(canvas, 6 * row, top + 3 * scale, scale, written(names[index], index));
    top += row;
  }
  return canvas;
}
