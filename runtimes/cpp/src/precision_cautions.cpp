#include "precision_cautions.hpp"

#include <algorithm>

namespace groupvit::detail {
namespace {

std::string of_int8(const EngineInfo& engine, const ProcessorFlags& flags) {
  const InstructionSet* found = byte_products(flags);
  if (found == nullptr || found->exact) return {};
  const QuantizationInfo judged = engine.quantization.value_or(QuantizationInfo{});
  const std::string meaning =
      judged.never_saturates
          ? "its label maps are what was judged"
          : "sums of its products may saturate here, and its label maps be others than those judged";
  // Measured; OpenVINO's AVX-512 without VNNI keeps most of what int8 gains.
  const bool slow = engine.target == "openvino" && !has_flag(flags, "avx512bw");
  return "judged on " + judged.instruction_set.value_or("an instruction set that it does not name") +
         ", and this processor has " + found->title + ": " + meaning + ", and float32 " +
         (slow ? "is faster" : "may be as fast") + " here";
}

std::string of_bf16(const EngineInfo& engine, const ProcessorFlags& flags) {
  // OpenVINO refuses what it cannot emulate; ONNX Runtime computes no bf16 on a processor.
  if (engine.precision != "bf16" || engine.target != "openvino") return {};
  if (byte_products(flags) == nullptr || multiplies_bf16(flags)) return {};
  return "and this processor has neither AMX nor AVX-512 BF16: it is emulated, and float32 is faster here";
}

}  // namespace

std::string precision_caution(const Manifest& manifest, const EngineInfo& engine, const std::string& device,
                              const ProcessorFlags& flags) {
  const bool on_cpu =
      (engine.target == "openvino" || engine.target == "onnx") && (device.empty() || device == "cpu");
  if (!on_cpu) return {};
  const std::string found = engine.precision == "int8" ? of_int8(engine, flags) : of_bf16(engine, flags);
  if (found.empty()) return {};
  const auto is_float32 = [](const EngineInfo* other) { return other->precision == "fp32"; };
  const auto images = manifest.image_engines();
  const std::string fix = std::any_of(images.begin(), images.end(), is_float32)
                              ? "It is in this bundle, too: leave the precision away, or ask for fp32"
                              : "Try a bundle in float32: groupvit export --target " + engine.target;
  return "bundle '" + manifest.name + "' is " + engine.precision + ", " + found + ". " + fix;
}

}  // namespace groupvit::detail
