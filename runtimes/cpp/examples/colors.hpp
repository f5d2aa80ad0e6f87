// The colors of classes, those of the Python runtime (groupvit_runtime.render.palette).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

using Color = std::array<std::uint8_t, 3>;

// Strong hues that can be told apart over a photograph, neighbors in the list far apart.
inline constexpr std::array<Color, 20> kFirstColors = {{
    {230, 25, 75},  {0, 130, 200},   {255, 225, 25},  {60, 180, 75},  {145, 30, 180},
    {245, 130, 48}, {70, 240, 240},  {240, 50, 230},  {210, 245, 60}, {0, 128, 128},
    {250, 190, 212}, {170, 110, 40}, {0, 0, 200},     {170, 255, 195}, {128, 0, 0},
    {220, 190, 255}, {128, 128, 0},  {255, 160, 122}, {0, 70, 130},   {100, 60, 255},
}};

// PASCAL VOC's: bit 3 i + c of the number is bit 7 - i of channel c.
inline Color voc_color(unsigned number) {
  Color color{};
  for (int shift = 7; number != 0 && shift >= 0; --shift, number >>= 3) {
    for (unsigned channel = 0; channel < 3; ++channel) {
      color[channel] = static_cast<std::uint8_t>(color[channel] | ((number >> channel) & 1u) << shift);
    }
  }
  return color;
}

// Neither dark nor gray nor close to one of the first.
inline bool stands_out(const Color& color) {
  const auto [low, high] = std::minmax_element(color.begin(), color.end());
  if (*high < 96 || *high - *low < 64) return false;
  return std::all_of(kFirstColors.begin(), kFirstColors.end(), [&](const Color& other) {
    int distance = 0;
    for (std::size_t c = 0; c < 3; ++c) distance += (color[c] - other[c]) * (color[c] - other[c]);
    return distance >= 40 * 40;
  });
}

inline std::vector<Color> class_colors(std::size_t count) {
  std::vector<Color> colors(kFirstColors.begin(), kFirstColors.begin() + std::min(count, kFirstColors.size()));
  for (unsigned number = 1; colors.size() < count; ++number) {
    if (stands_out(voc_color(number))) colors.push_back(voc_color(number));
  }
  return colors;
}
