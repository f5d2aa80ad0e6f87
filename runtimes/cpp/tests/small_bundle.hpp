// A bundle small enough to be written by a test, and an engine that computes its outputs from its inputs without any
// vendor's code: for sanitizers, threads, and what a session does with outputs that do not fit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engines/engine.hpp"
#include "preprocess.hpp"
#include "text_encoder.hpp"

namespace groupvit::detail {

// Shapes of the small model.
inline constexpr std::int64_t kSide = 32;
inline constexpr std::int64_t kGrid = 4;
inline constexpr std::int64_t kFirstGroups = 5;
inline constexpr std::int64_t kGroups = 3;
inline constexpr std::int64_t kWidth = 8;

// Pixels of many colors.
inline RgbImage some_image(std::int64_t height, std::int64_t width) {
  RgbImage image{{height, width}, {}};
  for (std::int64_t i = 0; i < height * width * 3; ++i) {
    image.values.push_back(static_cast<std::uint8_t>((i * 37 + i / 91) % 256));
  }
  return image;
}

// A folder of its own below the system's temporary one, removed with it.
class SmallBundle {
 public:
  // `change` edits the text of the manifest before it is written.
  explicit SmallBundle(const std::function<void(std::string&)>& change = {});
  ~SmallBundle();
  SmallBundle(const SmallBundle&) = delete;
  SmallBundle& operator=(const SmallBundle&) = delete;

  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

// Changes the outputs of every run.
using Spoil = std::function<void(Tensors&)>;

// Gives engines whose outputs depend on the inputs alone.
EngineLoader arithmetic_engines(Spoil spoil = {});

}  // namespace groupvit::detail
