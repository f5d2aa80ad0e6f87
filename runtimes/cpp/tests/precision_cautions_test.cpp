// int8 and bf16 on processors that this machine's is not: the flags are given.
#include "precision_cautions.hpp"

#include <gtest/gtest.h>

#include <string>

namespace groupvit::detail {
namespace {

EngineInfo int8_engine(const std::string& target) {
  EngineInfo engine;
  engine.target = target;
  engine.precision = "int8";
  engine.quantization = QuantizationInfo{"avx512_vnni", true};
  return engine;
}

const ProcessorFlags kWithoutVnni = {"ssse3", "avx2"};
const ProcessorFlags kWider = {"ssse3", "avx2", "avx512bw"};

std::string caution(const EngineInfo& engine, const std::string& device, const ProcessorFlags& flags) {
  Manifest manifest;
  manifest.name = "demo";
  manifest.engines = {engine};
  manifest.engines.front().role = "image";
  return precision_caution(manifest, manifest.engines.front(), device, flags);
}

TEST(PrecisionCautions, WithoutVnniFloat32IsRecommended) {
  const std::string said = caution(int8_engine("openvino"), "", kWithoutVnni);
  EXPECT_EQ(said,
            "bundle 'demo' is int8, judged on avx512_vnni, and this processor has AVX2 without VNNI: its label maps are "
            "what was judged, and float32 is faster here. Try a bundle in float32: groupvit export --target openvino");
  EXPECT_NE(caution(int8_engine("onnx"), "cpu", kWithoutVnni).find("float32 may be as fast here"),
            std::string::npos);
  const std::string of_wider = caution(int8_engine("openvino"), "", kWider);
  EXPECT_NE(of_wider.find("AVX-512 without VNNI"), std::string::npos) << of_wider;
  EXPECT_NE(of_wider.find("float32 may be as fast here"), std::string::npos) << of_wider;
}

TEST(PrecisionCautions, OfAnOlderBundleNothingIsProven) {
  EngineInfo engine = int8_engine("openvino");
  engine.quantization.reset();
  const std::string said = caution(engine, "", kWithoutVnni);
  EXPECT_NE(said.find("an instruction set that it does not name"), std::string::npos) << said;
  EXPECT_NE(said.find("may saturate here"), std::string::npos) << said;
}

TEST(PrecisionCautions, ElsewhereThereIsNothingToSay) {
  const ProcessorFlags wide = {"avx2", "avx512bw", "avx512_vnni"}, narrow = {"avx2", "avx_vnni"};
  const EngineInfo engine = int8_engine("openvino");
  EXPECT_EQ(caution(engine, "", wide), "");
  EXPECT_EQ(caution(engine, "", narrow), "");
  EXPECT_EQ(caution(engine, "", ProcessorFlags{}), "");  // not known
  EXPECT_EQ(caution(engine, "", {"asimd"}), "");
  EXPECT_EQ(caution(int8_engine("onnx"), "cuda", kWithoutVnni), "");
  EXPECT_EQ(caution(int8_engine("trt"), "", kWithoutVnni), "");
  EngineInfo other = engine;
  other.precision = "fp32";
  EXPECT_EQ(caution(other, "", kWithoutVnni), "");
}

TEST(PrecisionCautions, EmulatedBf16IsTold) {
  EngineInfo engine = int8_engine("openvino");
  engine.precision = "bf16";
  EXPECT_EQ(caution(engine, "", kWider),
            "bundle 'demo' is bf16, and this processor has neither AMX nor AVX-512 BF16: it is emulated, and float32 is "
            "faster here. Try a bundle in float32: groupvit export --target openvino");
  EXPECT_EQ(caution(engine, "", {"avx512bw", "avx512_bf16"}), "");
  EXPECT_EQ(caution(engine, "", {"avx512bw", "amx_bf16"}), "");
  EXPECT_EQ(caution(engine, "", {}), "");
  engine.target = "onnx";
  EXPECT_EQ(caution(engine, "", kWider), "");
}

TEST(PrecisionCautions, OfSeveralEnginesTheOtherIsRecommended) {
  EngineInfo float32 = int8_engine("openvino");
  float32.role = "image";
  float32.precision = "fp32";
  Manifest manifest;
  manifest.engines = {float32};
  manifest.alternatives = {int8_engine("openvino")};
  const std::string said = precision_caution(manifest, manifest.alternatives.front(), "", kWithoutVnni);
  EXPECT_NE(said.find("It is in this bundle, too: leave the precision away, or ask for fp32"), std::string::npos);
}

}  // namespace
}  // namespace groupvit::detail
