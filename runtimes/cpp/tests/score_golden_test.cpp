// Golden scores that the Python runtime reaches as well; tests/support/golden_scores.py says what each function is.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exponential.hpp"
#include "golden_cases.hpp"
#include "score_map.hpp"
#include "soft_result.hpp"
#include "window_scores.hpp"

namespace groupvit::detail {
namespace {

std::vector<float> exponentials(const Json& test) {
  std::vector<float> values = Random(test["seed"], 5).floats(test["count"], -1);
  const float half = test["lowest"].get<float>() / 2;
  for (float& value : values) value = exponential((value - 1) * half);
  return values;
}

PaperDecode paper_of(const Json& test) {
  PaperDecode decode;
  decode.window = window_of(test);
  if (!test["background_threshold"].is_null()) decode.background_threshold = test["background_threshold"];
  decode.top_classes = test["top_classes"];
  decode.max_logit_scale = test["max_logit_scale"];
  return decode;
}

std::unique_ptr<const ScoreMap> map_of(const Json& test) {
  const Size size = size_of(test["size"]);
  const bool coarse = test["function"] == "coarse";
  if (test["decode"] == "hf") {
    const Outputs outputs(test, 1);
    const Size grid = size_of(test["grid"]);
    return hf_score_map(outputs.windows[0], outputs.classes, test["logit_scale"],
                        coarse ? grid : size_of(test["pixels"]), coarse ? grid : size);
  }
  const WindowPlan plan = plan_windows(size, window_of(test));
  const Outputs outputs(test, static_cast<std::int64_t>(plan.boxes.size()));
  return paper_score_map(
      average_windows(plan, outputs.windows, outputs.classes, test["logit_scale"], paper_of(test)), plan.size,
      coarse ? plan.size : size);
}

LabelMap labels_of(const Json& test, const ScoreMap& map) {
  const Size size = size_of(test["size"]);
  LabelMap labels;
  if (test["decode"] == "hf") {
    const Outputs outputs(test, 1);
    labels = hf_decode(outputs.windows[0], outputs.classes, size_of(test["pixels"]), size);
  } else {
    const WindowPlan plan = plan_windows(size, window_of(test));
    const Outputs outputs(test, static_cast<std::int64_t>(plan.boxes.size()));
    labels = paper_decode(plan, outputs.windows, outputs.classes, test["logit_scale"], paper_of(test), size).labels;
  }
  const std::size_t unlabeled = map.planes() - test["negatives"].get<std::size_t>();
  std::optional<double> threshold;
  if (!test["threshold"].is_null()) threshold = test["threshold"];
  abstain(map, static_cast<std::uint16_t>(unlabeled), threshold, labels);
  return labels;
}

// As an engine gives it.
Tensor random_tensor(const Json& test, std::uint64_t array, const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t side : shape) count *= side;
  return {shape, Random(test["seed"], array).floats(count, 0)};
}

LabelMap groups_of(const Json& test) {
  ModelInfo model;
  model.groups = test["group_counts"].get<std::vector<std::int64_t>>();
  model.projection_dim = 1;
  const Size size = size_of(test["size"]), grid = size_of(test["grid"]);
  const bool cut = test.contains("window");
  const WindowPlan plan = cut ? plan_windows(size, window_of(test)) : WindowPlan{};
  const std::int64_t windows = cut ? static_cast<std::int64_t>(plan.boxes.size()) : 1;
  if (!cut) model.image_size = size_of(test["pixels"]);
  const std::int64_t last = model.groups.back();
  Tensors outputs;
  outputs.emplace(kMasks, random_tensor(test, 1, {windows, last, grid.height, grid.width}));
  outputs.emplace(kGroupEmbeds, random_tensor(test, 2, {windows, last, 1}));
  outputs.emplace(kImageEmbeds, random_tensor(test, 3, {windows, 1}));
  std::int64_t below = grid.height * grid.width;
  for (std::size_t i = 0; i < model.groups.size(); ++i) {
    const auto stage = static_cast<std::int64_t>(i) + 1;
    outputs.emplace(soft_map_name(stage),
                    random_tensor(test, 10 + static_cast<std::uint64_t>(stage), {windows, model.groups[i], below}));
    below = model.groups[i];
  }
  Encoded encoded{{}, std::make_shared<const Vocabulary>(), model, size};
  encoded.outputs.add(std::move(outputs), windows, model);
  const auto soft = cut ? soft_result_of_windows(std::move(encoded), plan, {}) : soft_result_of_whole(std::move(encoded));
  return soft->groups(test["stage"]);
}

std::string result_of(const Json& test) {
  const std::string function = test["function"];
  if (function == "exponential") return digest(exponentials(test));
  if (function == "groups") return digest(groups_of(test));
  const std::unique_ptr<const ScoreMap> map = map_of(test);
  if (function == "labels") return digest(labels_of(test, *map));
  const Size size = map->size();
  const std::int64_t area = size.height * size.width;
  const bool one = function == "plane" || function == "best";
  const std::size_t count = one ? 1 : map->planes();
  std::vector<float> values(count * static_cast<std::size_t>(area));
  if (function == "best") {
    map->best(0, size.height, values.data(), size.width);
  } else {
    const std::size_t first = one ? test["index"].get<std::size_t>() : 0;
    map->scores({first, count, 0, size.height, values.data(), size.width, area});
  }
  return digest(values);
}

TEST(ScoreGolden, IsReached) {
  const Json cases = golden_cases("scores.json");
  ASSERT_GE(cases.size(), 60u);
  for (const Json& test : cases) EXPECT_EQ(result_of(test), test["sha256"]) << test;
}

}  // namespace
}  // namespace groupvit::detail
