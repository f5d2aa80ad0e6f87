// The colors of classes, those of the Python runtime (groupvit_runtime/colors.py): they belong to the names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
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

inline std::vector<Color> palette(std::size_t count) {
  std::vector<Color> colors(kFirstColors.begin(), kFirstColors.begin() + std::min(count, kFirstColors.size()));
  for (unsigned number = 1; colors.size() < count; ++number) {
    if (stands_out(voc_color(number))) colors.push_back(voc_color(number));
  }
  return colors;
}

// FNV-1a of the bytes of UTF-8.
inline std::uint32_t hash_of(const std::string& name) {
  std::uint32_t value = 0x811c9dc5u;
  for (const char byte : name) value = (value ^ static_cast<std::uint8_t>(byte)) * 0x01000193u;
  return value;
}

// A name's color is that of its hash among the first twenty, or the next that no earlier name has. "unlabeled", where it
// is the last of the names, is gray and takes none.
inline std::vector<Color> class_colors(std::vector<std::string> names, bool unlabeled) {
  if (unlabeled) names.pop_back();
  constexpr std::size_t kTable = kFirstColors.size();
  const std::vector<Color> table = palette(std::max(names.size(), kTable));
  std::vector<bool> taken(table.size());
  std::vector<Color> colors;
  for (std::size_t number = 0; number < names.size(); ++number) {
    std::size_t place = number >= kTable ? number : hash_of(names[number]) % kTable;
    while (taken[place]) place = (place + 1) % kTable;
    taken[place] = true;
    colors.push_back(table[place]);
  }
  if (unlabeled) colors.push_back({128, 128, 128});
  return colors;
}
