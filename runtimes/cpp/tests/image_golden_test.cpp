// Golden results that the Python runtime reaches as well; tests/support/golden_image.py says how they are
// made.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "decode.hpp"
#include "preprocess.hpp"
#include "sha256.hpp"

namespace groupvit::detail {
namespace {

using Json = nlohmann::json;

// SplitMix64 from the state seed * 2^32 + array.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t array) : state_((seed << 32) + array) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // 24 random bits, from `low` to 1: 0 or -1.
  std::vector<float> floats(std::int64_t count, double low) {
    std::vector<float> result;
    for (std::int64_t i = 0; i < count; ++i) {
      result.push_back(static_cast<float>(static_cast<double>(next() >> 40) * (1 - low) / (1 << 24) + low));
    }
    return result;
  }

 private:
  std::uint64_t state_;
};

Size size_of(const Json& pair) { return {pair[0], pair[1]}; }

RgbImage image_of(const Json& test) {
  RgbImage image{size_of(test["image"]), {}};
  Random random(test["seed"], 0);
  for (std::int64_t i = 0; i < image.size.height * image.size.width * 3; ++i) {
    image.values.push_back(static_cast<std::uint8_t>(random.next() >> 56));
  }
  return image;
}

Preprocessing preprocessing_of(const Json& test) {
  static const std::map<std::string, ResizeFilter> filters = {
      {"nearest", ResizeFilter::kNearest}, {"bilinear", ResizeFilter::kBilinear},
      {"bicubic", ResizeFilter::kBicubic}, {"lanczos", ResizeFilter::kLanczos},
      {"box", ResizeFilter::kBox},         {"hamming", ResizeFilter::kHamming},
      {"opencv_bilinear", ResizeFilter::kOpenCvBilinear}};
  const Json& from = test["preprocessing"];
  Preprocessing spec;
  spec.antialias = from["antialias"];
  spec.filter = filters.at(from["filter"]);
  spec.color_order = from["color_order"] == "RGB" ? ColorOrder::kRgb : ColorOrder::kBgr;
  spec.mean = from["mean"];
  spec.std = from["std"];
  spec.rescale = from["rescale"];
  return spec;
}

SlidingWindow window_of(const Json& test) {
  const Json& window = test["window"];
  return {window["size"], window["stride"], window["long_side_max"]};
}

// What the engine and the vocabulary give: of one image, or of all windows of `plan`.
struct Outputs {
  std::vector<float> masks, group_embeds, image_embeds, text_embeds;
  std::vector<ImageOutputs> windows;
  Classes classes;

  Outputs(const Json& test, std::int64_t count) {
    const std::int64_t groups = test["groups"], width = test["width"], names = test["classes"];
    const Size grid = size_of(test["grid"]);
    const std::int64_t maps = groups * grid.height * grid.width;
    masks = Random(test["seed"], 1).floats(count * maps, 0);
    group_embeds = Random(test["seed"], 2).floats(count * groups * width, -1);
    image_embeds = Random(test["seed"], 3).floats(count * width, -1);
    text_embeds = Random(test["seed"], 4).floats(names * width, -1);
    for (std::int64_t i = 0; i < count; ++i) {
      windows.push_back({groups, grid, width, masks.data() + i * maps,
                         group_embeds.data() + i * groups * width, image_embeds.data() + i * width});
    }
    classes = {names, width, text_embeds.data()};
  }
};

LabelMap decoded(const Json& test) {
  const std::string function = test["function"];
  const Size size = size_of(test["size"]);
  if (function == "hf_decode" || function == "hf_groups") {
    const Outputs outputs(test, 1);
    const Size pixels = size_of(test["pixels"]);
    if (function == "hf_groups") return hf_groups(outputs.windows[0], pixels, size);
    return hf_decode(outputs.windows[0], outputs.classes, pixels, size);
  }
  const WindowPlan plan = plan_windows(size, window_of(test));
  const Outputs outputs(test, static_cast<std::int64_t>(plan.boxes.size()));
  if (function == "window_groups") return window_groups(plan, outputs.windows, size);
  PaperDecode decode;
  decode.window = window_of(test);
  if (!test["background_threshold"].is_null()) decode.background_threshold = test["background_threshold"];
  decode.top_classes = test["top_classes"];
  decode.max_logit_scale = test["max_logit_scale"];
  return paper_decode(plan, outputs.windows, outputs.classes, test["logit_scale"], decode, size).labels;
}

std::vector<float> prepared(const Json& test) {
  const Preprocessing spec = preprocessing_of(test);
  const RgbImage rgb = image_of(test);
  std::vector<float> values;
  if (test["function"] == "prepare_whole") {
    const Size size = size_of(test["size"]);
    values.resize(static_cast<std::size_t>(3 * size.height * size.width));
    normalize(resize_image(rgb, size, spec), 0, 0, size, spec, values.data());
    return values;
  }
  const WindowPlan plan = plan_windows(rgb.size, window_of(test));
  const auto window = static_cast<std::size_t>(3 * plan.side * plan.side);
  values.resize(plan.boxes.size() * window);
  const RgbImage image = resize_for_windows(rgb, spec, plan);
  for (std::size_t i = 0; i < plan.boxes.size(); ++i) {
    normalize(image, plan.boxes[i].top, plan.boxes[i].left, {plan.side, plan.side}, spec,
              values.data() + i * window);
  }
  return values;
}

template <typename T>
std::string digest(const std::vector<T>& values) {
  Sha256 hash;
  hash.update(values.data(), values.size() * sizeof(T));
  return hash.hex_digest();
}

std::string result_of(const Json& test) {
  const std::string function = test["function"];
  if (function == "resize_image") {
    return digest(resize_image(image_of(test), size_of(test["size"]), preprocessing_of(test)).values);
  }
  if (function == "prepare_whole" || function == "prepare_windows") return digest(prepared(test));
  return digest(decoded(test));
}

TEST(ImageGolden, IsReached) {
  std::ifstream file(GROUPVIT_GOLDEN_DIRECTORY "/image.json");
  ASSERT_TRUE(file) << "no golden results in " GROUPVIT_GOLDEN_DIRECTORY;
  const Json cases = Json::parse(file)["cases"];
  ASSERT_GE(cases.size(), 40u);
  for (const Json& test : cases) EXPECT_EQ(result_of(test), test["sha256"]) << test;
}

}  // namespace
}  // namespace groupvit::detail
