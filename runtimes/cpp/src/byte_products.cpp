#include "byte_products.hpp"

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#include <cpuid.h>
#elif defined(_M_X64)
#include <intrin.h>
#endif

namespace groupvit::detail {
namespace {

struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

// Zeros where the processor has no such leaf.
[[maybe_unused]] Leaf cpuid(unsigned number, unsigned sub) {
  Leaf leaf;
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  if (__get_cpuid_count(number, sub, &leaf.a, &leaf.b, &leaf.c, &leaf.d) == 0) return {};
#elif defined(_M_X64)
  int found[4] = {};
  __cpuid(found, 0);
  if (static_cast<unsigned>(found[0]) < number) return {};
  __cpuidex(found, static_cast<int>(number), static_cast<int>(sub));
  leaf = {static_cast<unsigned>(found[0]), static_cast<unsigned>(found[1]), static_cast<unsigned>(found[2]),
          static_cast<unsigned>(found[3])};
#else
  static_cast<void>(number);
  static_cast<void>(sub);
#endif
  return leaf;
}

const char* title_of(const ProcessorFlags& flags) {
  if (flags.avx512bw) return "AVX-512 without VNNI";
  return flags.avx2 ? "AVX2 without VNNI" : "SSSE3 without AVX2";
}

}  // namespace

ProcessorFlags processor_flags() {
  ProcessorFlags flags;
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
  const Leaf features = cpuid(7, 0);
  flags.x86 = true;
  flags.avx2 = (features.b & (1u << 5)) != 0;
  flags.avx512bw = (features.b & (1u << 30)) != 0;
  flags.avx512_vnni = (features.c & (1u << 11)) != 0;
  // The highest sub-leaf is in the first register of the first.
  flags.avx_vnni = features.a >= 1 && (cpuid(7, 1).a & (1u << 4)) != 0;
#endif
  return flags;
}

std::string int8_caution(const std::string& name, const EngineInfo& engine, const std::string& device,
                         const ProcessorFlags& flags) {
  const bool openvino = engine.target == "openvino";
  const bool on_cpu = (openvino || engine.target == "onnx") && (device.empty() || device == "cpu");
  if (engine.precision != "int8" || !on_cpu || !flags.x86 || flags.avx512_vnni || flags.avx_vnni) return {};
  const QuantizationInfo judged = engine.quantization.value_or(QuantizationInfo{});
  const std::string meaning =
      judged.never_saturates
          ? "its label maps are what was judged"
          : "sums of its products may saturate here, and its label maps be others than those judged";
  // Measured; OpenVINO's AVX-512 without VNNI keeps most of what int8 gains.
  const bool slow = openvino && !flags.avx512bw;
  return "bundle '" + name + "' is int8, judged on " +
         judged.instruction_set.value_or("an instruction set that it does not name") + ", and this processor has " +
         title_of(flags) + ": " + meaning + ", and float32 " + (slow ? "is faster" : "may be as fast") +
         " here. Try a bundle in float32: groupvit export --target " + engine.target;
}

}  // namespace groupvit::detail
