// int8 on processors that this machine's is not: the flags are given.
#include "byte_products.hpp"

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

ProcessorFlags without_vnni() {
  ProcessorFlags flags;
  flags.x86 = flags.avx2 = true;
  return flags;
}

TEST(ByteProducts, WithoutVnniFloat32IsRecommended) {
  const std::string said = int8_caution("demo", int8_engine("openvino"), "", without_vnni());
  EXPECT_EQ(said,
            "bundle 'demo' is int8, judged on avx512_vnni, and this processor has AVX2 without VNNI: its label maps are "
            "what was judged, and float32 is faster here. Try a bundle in float32: groupvit export --target openvino");
  EXPECT_NE(int8_caution("demo", int8_engine("onnx"), "cpu", without_vnni()).find("float32 may be as fast here"),
            std::string::npos);
  ProcessorFlags wider = without_vnni();
  wider.avx512bw = true;
  const std::string of_wider = int8_caution("demo", int8_engine("openvino"), "", wider);
  EXPECT_NE(of_wider.find("AVX-512 without VNNI"), std::string::npos) << of_wider;
  EXPECT_NE(of_wider.find("float32 may be as fast here"), std::string::npos) << of_wider;
}

TEST(ByteProducts, OfAnOlderBundleNothingIsProven) {
  EngineInfo engine = int8_engine("openvino");
  engine.quantization.reset();
  const std::string said = int8_caution("demo", engine, "", without_vnni());
  EXPECT_NE(said.find("an instruction set that it does not name"), std::string::npos) << said;
  EXPECT_NE(said.find("may saturate here"), std::string::npos) << said;
}

TEST(ByteProducts, ElsewhereThereIsNothingToSay) {
  ProcessorFlags wide = without_vnni(), narrow = without_vnni();
  wide.avx512_vnni = narrow.avx_vnni = true;
  const EngineInfo engine = int8_engine("openvino");
  EXPECT_EQ(int8_caution("demo", engine, "", wide), "");
  EXPECT_EQ(int8_caution("demo", engine, "", narrow), "");
  EXPECT_EQ(int8_caution("demo", engine, "", ProcessorFlags{}), "");  // no x86
  EXPECT_EQ(int8_caution("demo", int8_engine("onnx"), "cuda", without_vnni()), "");
  EXPECT_EQ(int8_caution("demo", int8_engine("trt"), "", without_vnni()), "");
  EngineInfo other = engine;
  other.precision = "fp32";
  EXPECT_EQ(int8_caution("demo", other, "", without_vnni()), "");
}

}  // namespace
}  // namespace groupvit::detail
