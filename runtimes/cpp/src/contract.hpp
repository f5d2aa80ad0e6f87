// What a bundle promises about images and decoding; the fields of groupvit_runtime.contract.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace groupvit::detail {

// (height, width) in pixels or patches.
struct Size {
  std::int64_t height = 0;
  std::int64_t width = 0;
  friend bool operator==(const Size& a, const Size& b) {
    return a.height == b.height && a.width == b.width;
  }
  friend bool operator!=(const Size& a, const Size& b) { return !(a == b); }
};

enum class ColorOrder { kRgb, kBgr };
enum class ResizeMode { kWhole, kShortSide };
// What becomes of a sentence before it is split: nothing, or what NVlabs' tokenizer does.
enum class TextCleaning { kNone, kNvlabs };
enum class ResizeFilter { kNearest, kBilinear, kBicubic, kLanczos, kBox, kHamming, kOpenCvBilinear };

struct Preprocessing {
  ResizeMode resize = ResizeMode::kWhole;
  bool antialias = true;
  std::array<double, 3> mean{};
  std::array<double, 3> std{};
  ResizeFilter filter = ResizeFilter::kBilinear;
  ColorOrder color_order = ColorOrder::kRgb;
  double rescale = 1.0 / 255;
};

struct SlidingWindow {
  std::int64_t size = 0;
  std::int64_t stride = 0;
  std::int64_t long_side_max = 0;
};

struct PaperDecode {
  SlidingWindow window;
  std::optional<double> background_threshold;
  std::int64_t top_classes = 5;
  double max_logit_scale = 100.0;
};

}  // namespace groupvit::detail
