// Which image engine runs, by the flags of processors that this machine's is not.
#include "choose_engine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "refusal.hpp"
#include "session.hpp"
#include "small_bundle.hpp"

namespace groupvit::detail {
namespace {

const ProcessorFlags kAvx2 = {"ssse3", "avx2"};
const ProcessorFlags kAvx512 = {"ssse3", "avx2", "avx512bw"};
const ProcessorFlags kVnni = {"ssse3", "avx2", "avx512bw", "avx512_vnni"};
const ProcessorFlags kZen = {"ssse3", "avx2", "avx512bw", "avx512_vnni", "avx512_bf16"};
const ProcessorFlags kAmx = {"ssse3", "avx2", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"};

Manifest several(const std::string& target, const std::vector<std::string>& others) {
  EngineInfo engine;
  engine.role = "image";
  engine.target = target;
  engine.precision = "fp32";
  Manifest manifest;
  manifest.engines = {engine};
  for (const std::string& precision : others) {
    engine.precision = precision;
    manifest.alternatives.push_back(engine);
  }
  return manifest;
}

TEST(ChooseEngine, ByTheRule) {
  struct Row {
    std::string target, device;
    ProcessorFlags flags;
    std::string expected, processor;
  };
  for (const Row& row : std::vector<Row>{
           {"openvino", "", kAmx, "int8", "amx_int8 and amx_bf16"},
           {"openvino", "", kVnni, "int8", "avx512_vnni"},
           {"openvino", "", {"asimd", "asimddp"}, "int8", "asimddp"},
           {"openvino", "", {"avx512bw", "avx512_bf16"}, "bf16", "avx512bw and avx512_bf16"},
           {"openvino", "", kAvx512, "fp32", "avx512bw"},
           {"openvino", "", kAvx2, "fp32", "avx2"},
           {"openvino", "", {}, "fp32", "an unknown processor"},
           {"onnx", "", kVnni, "int8", "avx512_vnni"},
           {"onnx", "cpu", {"avx512bw", "avx512_bf16"}, "fp32", "avx512bw and avx512_bf16"},
           {"onnx", "cuda", kVnni, "bf16", "GPUs"},
           {"trt", "", kAvx2, "bf16", "GPUs"},
       }) {
    const EngineChoice choice = choose_image_engine(several(row.target, {"bf16", "int8"}), "", row.device, row.flags);
    EXPECT_EQ(choice.engine.precision, row.expected);
    EXPECT_EQ(choice.why, row.expected + " of fp32, bf16, int8, by the rule for " + row.processor);
  }
}

TEST(ChooseEngine, MeasuredOnTheSameInstructionSets) {
  Manifest manifest = several("openvino", {"int8", "bf16"});
  manifest.measured = MeasuredInfo{{"avx512_vnni", "avx512_bf16"}, {"bf16", "int8", "fp32"}};
  EXPECT_EQ(choose_image_engine(manifest, "", "", kZen).why,
            "bf16 of fp32, int8, bf16, the fastest at export on avx512_vnni and avx512_bf16");
  EXPECT_EQ(choose_image_engine(manifest, "", "", kVnni).engine.precision, "int8");
  EXPECT_EQ(choose_image_engine(manifest, "", "", kAvx2).engine.precision, "fp32");
}

TEST(ChooseEngine, WhatIsAskedForIsTakenOrRefused) {
  const Manifest manifest = several("openvino", {"int8"});
  EXPECT_EQ(choose_image_engine(manifest, "int8", "", kAvx2).why, "int8 of fp32, int8, as asked");
  const std::string said =
      refusal(GROUPVIT_ERROR_USAGE, [&] { choose_image_engine(manifest, "bf16", "", kAmx); });
  EXPECT_NE(said.find("fp32 or int8"), std::string::npos) << said;
  EXPECT_EQ(choose_image_engine(several("openvino", {}), "fp32", "", kAmx).why, "");
}

// The small bundle with its image engine as int8, too; both have one file.
void add_int8(std::string& manifest) {
  const std::size_t begin = manifest.find("{\"role\": \"image\""), end = manifest.find("{\"role\": \"text\"");
  std::string engine = manifest.substr(begin, manifest.rfind('}', end) + 1 - begin);
  engine.replace(engine.find("fp32"), 4, "int8");
  manifest.insert(manifest.rfind('}'), ", \"alternatives\": [" + engine + "]");
}

TEST(ChooseEngine, ASessionSaysWhich) {
  const SmallBundle bundle(add_int8);
  for (const auto& [flags, expected] : std::vector<std::pair<ProcessorFlags, std::string>>{
           {kVnni, "arithmetic, CPU, int8; int8 of fp32, int8, by the rule for avx512_vnni"},
           {kAvx2, "arithmetic, CPU, fp32; fp32 of fp32, int8, by the rule for avx2"}}) {
    EXPECT_EQ(Session(bundle.root(), {}, arithmetic_engines(), flags).engine_description(), expected);
  }
  SessionOptions options;
  options.precision = "int8";
  const Session session(bundle.root(), options, arithmetic_engines(), kAvx2);
  EXPECT_EQ(session.engine_description(), "arithmetic, CPU, int8; int8 of fp32, int8, as asked");
}

}  // namespace
}  // namespace groupvit::detail
