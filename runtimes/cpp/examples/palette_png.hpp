// Writes PNG files with the means at hand: pixels are stored, not compressed.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

// The color of a class, as PASCAL VOC has it: the bits of the number, spread over the channels.
inline std::array<std::uint8_t, 3> class_color(unsigned label) {
  std::array<std::uint8_t, 3> color{};
  unsigned bits = label + 1;
  for (int shift = 7; bits != 0 && shift >= 0; --shift, bits >>= 3) {
    for (unsigned channel = 0; channel < 3; ++channel) {
      color[channel] = static_cast<std::uint8_t>(color[channel] | ((bits >> channel) & 1u) << shift);
    }
  }
  return color;
}

namespace png {

using Bytes = std::vector<std::uint8_t>;

inline void append(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline std::uint32_t crc(const std::uint8_t* data, std::size_t size) {
  std::uint32_t value = 0xFFFFFFFFu;
  for (std::size_t i = 0; i < size; ++i) {
    value ^= data[i];
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) != 0 ? 0xEDB88320u : 0u);
  }
  return ~value;
}

inline void append_chunk(Bytes& file, const char* kind, const Bytes& data) {
  append(file, static_cast<std::uint32_t>(data.size()));
  const std::size_t start = file.size();
  file.insert(file.end(), kind, kind + 4);
  file.insert(file.end(), data.begin(), data.end());
  append(file, crc(file.data() + start, file.size() - start));
}

// A zlib stream of stored blocks.
inline Bytes stored(const Bytes& raw) {
  Bytes stream = {0x78, 0x01};
  std::uint32_t low = 1, high = 0;
  for (std::size_t start = 0; start < raw.size(); start += 65535) {
    const std::size_t size = raw.size() - start < 65535 ? raw.size() - start : 65535;
    stream.push_back(start + size == raw.size() ? 1 : 0);
    for (const std::size_t length : {size, ~size}) {
      stream.push_back(static_cast<std::uint8_t>(length & 255));
      stream.push_back(static_cast<std::uint8_t>(length >> 8 & 255));
    }
    for (std::size_t i = start; i < start + size; ++i) {
      stream.push_back(raw[i]);
      low = (low + raw[i]) % 65521;
      high = (high + low) % 65521;
    }
  }
  append(stream, high << 16 | low);
  return stream;
}

inline void write(const std::string& path, int width, int height, std::uint8_t color_type,
                  const Bytes& palette, const Bytes& rows) {
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  Bytes header;
  append(header, static_cast<std::uint32_t>(width));
  append(header, static_cast<std::uint32_t>(height));
  header.insert(header.end(), {8, color_type, 0, 0, 0});
  append_chunk(file, "IHDR", header);
  if (!palette.empty()) append_chunk(file, "PLTE", palette);
  append_chunk(file, "IDAT", stored(rows));
  append_chunk(file, "IEND", {});
  std::FILE* const handle = std::fopen(path.c_str(), "wb");
  if (handle == nullptr) throw std::runtime_error("cannot write " + path);
  const bool whole = std::fwrite(file.data(), 1, file.size(), handle) == file.size();
  if (std::fclose(handle) != 0 || !whole) throw std::runtime_error("cannot write " + path);
}

}  // namespace png

// Classes beyond 255 cannot be told apart in it.
inline void write_palette_png(const std::string& path, int width, int height, const std::uint16_t* labels) {
  png::Bytes palette, rows;
  for (unsigned label = 0; label < 256; ++label) {
    const auto color = class_color(label);
    palette.insert(palette.end(), color.begin(), color.end());
  }
  for (int y = 0; y < height; ++y) {
    rows.push_back(0);
    for (int x = 0; x < width; ++x, ++labels)
      rows.push_back(static_cast<std::uint8_t>(*labels > 255 ? 255 : *labels));
  }
  png::write(path, width, height, 3, palette, rows);
}

inline void write_rgb_png(const std::string& path, int width, int height, const std::uint8_t* pixels) {
  png::Bytes rows;
  for (int y = 0; y < height; ++y, pixels += 3 * width) {
    rows.push_back(0);
    rows.insert(rows.end(), pixels, pixels + 3 * width);
  }
  png::write(path, width, height, 2, {}, rows);
}
