#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engines/package_facts.hpp"
#include "engines/support.hpp"
#include "engines/table.hpp"
#include "engines/tensorrt_checks.hpp"
#include "refusal.hpp"

namespace groupvit::detail {
namespace {

TEST(EngineTable, NamesEveryTargetOnce) {
  std::vector<std::string> names;
  for (const EngineKind& kind : engine_kinds()) names.push_back(kind.target);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"litert", "onnx", "openvino", "torch", "trt"}));
}

TEST(EngineTable, SaysHowToGetATargetThatWasLeftOut) {
  for (const EngineKind& kind : engine_kinds()) {
    if (kind.open != nullptr) continue;
    EngineInfo info;
    info.target = kind.target;
    const std::string message =
        refusal(GROUPVIT_ERROR_UNSUPPORTED, [&] { load_engine(info, "nowhere", EngineOptions{}); });
    EXPECT_NE(message.find("-D" + kind.option), std::string::npos) << message;
  }
  EngineInfo unknown;
  unknown.target = "abacus";
  refusal(GROUPVIT_ERROR_ENGINE, [&] { load_engine(unknown, "nowhere", EngineOptions{}); });
}

TEST(EngineSupport, CountsWithoutOverflow) {
  EXPECT_EQ(element_count({2, 3, 0}), 0u);
  EXPECT_EQ(element_count({}), 1u);
  const std::int64_t large = std::int64_t{1} << 32;
  refusal(GROUPVIT_ERROR_ENGINE, [&] { element_count({large, large}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { element_count({large, large, 0}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { element_count({-1}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { make_tensor("bfloat16", {1}); });
}

TEST(EngineSupport, ReadsVersions) {
  EXPECT_EQ(version_numbers("2026.4.1-abc", 2), (std::vector<long>{2026, 4}));
  EXPECT_EQ(version_numbers("2.13.0+cpu", 2), (std::vector<long>{2, 13}));
  EXPECT_EQ(version_numbers("", 2), std::vector<long>{});
  EXPECT_EQ(version_numbers("99999999999999999999999", 2).size(), 1u);
}

TEST(EngineSupport, ShortensForeignMessagesBetweenCharacters) {
  EXPECT_EQ(one_line("  a\n\tb  "), "a b");
  std::string text(299, 'x');
  text += "\xC3\xA9";
  EXPECT_EQ(one_line(text), std::string(299, 'x'));
}

TEST(EngineSupport, ChecksInputsAgainstTheManifest) {
  EngineInfo info;
  info.inputs = {{"ids", "int64", {-1, 2}}};
  const auto given = [&](Tensor tensor) {
    Tensors inputs;
    inputs.emplace("ids", std::move(tensor));
    check_inputs("none", info, inputs);
  };
  given({{3, 2}, std::vector<std::int64_t>(6)});
  refusal(GROUPVIT_ERROR_ENGINE, [&] { given({{0, 2}, std::vector<std::int64_t>()}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { given({{3, 3}, std::vector<std::int64_t>(9)}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { given({{3, 2}, std::vector<std::int64_t>(5)}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { given({{3, 2}, std::vector<float>(6)}); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { check_inputs("none", info, {}); });
}

TensorRTInfo facts() {
  TensorRTInfo facts;
  facts.flavor = "tensorrt";
  facts.version = "10.14.1.48";
  facts.compute_capabilities = {"8.9"};
  facts.hardware_compatibility = "none";
  facts.rebuild = "groupvit export again";
  facts.profiles = {{"x", {2, 4}, {2, 4}, {6, 4}}};
  return facts;
}

TEST(TensorRT, RunsWhereItWasBuiltFor) {
  TensorRTInfo info = facts();
  check_bound_to(info, "tensorrt", "10.14.1.48", "8.9", "a GPU");
  EXPECT_NE(
      refusal(GROUPVIT_ERROR_ENGINE, [&] { check_bound_to(info, "tensorrt", "10.14.1.49", "8.9", "a GPU"); })
          .find("groupvit export again"),
      std::string::npos);
  refusal(GROUPVIT_ERROR_ENGINE, [&] { check_bound_to(info, "tensorrt", "10.14.1.48", "9.0", "a GPU"); });
  refusal(GROUPVIT_ERROR_UNSUPPORTED, [&] { check_bound_to(info, "rtx", "10.14.1.48", "8.9", "a GPU"); });
  info.version_compatible = true;
  check_bound_to(info, "tensorrt", "10.15.0.1", "8.9", "a GPU");
  refusal(GROUPVIT_ERROR_ENGINE, [&] { check_bound_to(info, "tensorrt", "11.0.0.1", "8.9", "a GPU"); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { check_bound_to(info, "tensorrt", "10.13.9.9", "8.9", "a GPU"); });
  info.hardware_compatibility = "ampere+";
  check_bound_to(info, "tensorrt", "10.14.1.48", "12.0", "a GPU");
  refusal(GROUPVIT_ERROR_ENGINE, [&] { check_bound_to(info, "tensorrt", "10.14.1.48", "7.5", "a GPU"); });
}

TEST(TensorRT, FillsSmallBatchesUpAndRefusesLargeOnes) {
  Tensors inputs;
  inputs.emplace("x", Tensor{{1, 4}, std::vector<float>{1, 2, 3, 4}});
  const Tensors filled = filled_up(facts(), inputs);
  EXPECT_EQ(filled.at("x").shape, (Shape{2, 4}));
  EXPECT_EQ(filled.at("x").as<float>(), (std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4}));
  check_profiles(facts(), filled);
  EXPECT_EQ(first_of(filled.at("x"), 1).as<float>(), (std::vector<float>{1, 2, 3, 4}));
  inputs.at("x") = Tensor{{7, 4}, std::vector<float>(28)};
  refusal(GROUPVIT_ERROR_ENGINE, [&] { check_profiles(facts(), filled_up(facts(), inputs)); });
  refusal(GROUPVIT_ERROR_ENGINE, [&] { filled_up(facts(), {}); });
}

TEST(PackageFacts, AreReadStrictly) {
  const std::string whole = R"({"device": "cpu", "machine": "x86_64", "cpu_features": ["avx2"],
    "compute_capability": null, "sentences": {"longest": 77, "token_ids": 30}, "grouping": [], "rebuild": "again"})";
  const PackageFacts facts = parse_package_facts(whole);
  EXPECT_EQ(facts.cpu_features, std::vector<std::string>{"avx2"});
  EXPECT_EQ(facts.sentences->token_ids, 30);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& text :
       {std::string("["), std::string("[]"), with("\"cpu\"", "\"tpu\""), with("77", "-1"), with("77", "1e3"),
        with("[\"avx2\"]", "[2]"), with("\"rebuild\": \"again\"", "\"other\": 1"), with("[]", "{}"),
        with("null", "9")}) {
    refusal(GROUPVIT_ERROR_BUNDLE, [&] { parse_package_facts(text); });
  }
}

}  // namespace
}  // namespace groupvit::detail
