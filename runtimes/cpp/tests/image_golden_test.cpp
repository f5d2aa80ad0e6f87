// Golden results that the Python runtime reaches as well; tests/support/golden_image.py says how they are
// made.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "golden_cases.hpp"
#include "preprocess.hpp"

namespace groupvit::detail {
namespace {

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

std::string result_of(const Json& test) {
  const std::string function = test["function"];
  if (function == "resize_image") {
    return digest(resize_image(image_of(test), size_of(test["size"]), preprocessing_of(test)).values);
  }
  if (function == "prepare_whole" || function == "prepare_windows") return digest(prepared(test));
  return digest(decoded(test));
}

TEST(ImageGolden, IsReached) {
  const Json cases = golden_cases("image.json");
  ASSERT_GE(cases.size(), 40u);
  for (const Json& test : cases) EXPECT_EQ(result_of(test), test["sha256"]) << test;
}

}  // namespace
}  // namespace groupvit::detail
