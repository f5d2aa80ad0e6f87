#include "instruction_sets.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#include <cpuid.h>
#elif defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace groupvit::detail {
namespace {

// The best first; as in groupvit_runtime.instruction_sets.
constexpr std::array<InstructionSet, 9> kInstructionSets = {{
    {"amx_int8", "AMX", true, true},
    {"avx512_vnni", "AVX-512 VNNI", true, true},
    {"avx_vnni", "AVX-VNNI", true, true},
    {"avx512bw", "AVX-512 without VNNI", false, false},
    {"avx2", "AVX2 without VNNI", false, false},
    {"ssse3", "SSSE3 without AVX2", false, false},
    {"i8mm", "Arm I8MM", true, true},
    {"asimddp", "Arm dot product", true, true},
    {"asimd", "Arm Advanced SIMD", true, false},
}};
constexpr std::array<const char*, 2> kBf16Flags = {"amx_bf16", "avx512_bf16"};

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

// Zeros where the processor has no such leaf.
Leaf cpuid(unsigned number, unsigned sub) {
  Leaf leaf;
#if defined(__GNUC__)
  if (__get_cpuid_count(number, sub, &leaf.a, &leaf.b, &leaf.c, &leaf.d) == 0) return {};
#else
  int found[4] = {};
  __cpuid(found, 0);
  if (static_cast<unsigned>(found[0]) < number) return {};
  __cpuidex(found, static_cast<int>(number), static_cast<int>(sub));
  leaf = {static_cast<unsigned>(found[0]), static_cast<unsigned>(found[1]), static_cast<unsigned>(found[2]),
          static_cast<unsigned>(found[3])};
#endif
  return leaf;
}

// Registers that the operating system saves; without, their instructions fault.
std::uint64_t saved_registers() {
  constexpr unsigned kOsXsave = 1u << 27;
  if ((cpuid(1, 0).c & kOsXsave) == 0) return 0;
#if defined(__GNUC__)
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
#else
  return _xgetbv(0);
#endif
}

ProcessorFlags x86_flags() {
  constexpr std::uint64_t kAvx = 0x6, kAvx512 = 0xe6, kAmx = 0x60006;
  const std::uint64_t saved = saved_registers();
  const Leaf basic = cpuid(1, 0), features = cpuid(7, 0);
  // The highest sub-leaf is in the first register of the first.
  const Leaf more = features.a >= 1 ? cpuid(7, 1) : Leaf{};
  ProcessorFlags flags;
  const auto add = [&](const char* flag, unsigned word, unsigned bit, std::uint64_t needs) {
    if ((word >> bit & 1u) != 0 && (saved & needs) == needs) flags.emplace_back(flag);
  };
  add("ssse3", basic.c, 9, 0);
  add("avx2", features.b, 5, kAvx);
  add("avx512bw", features.b, 30, kAvx512);
  add("avx512_vnni", features.c, 11, kAvx512);
  add("amx_bf16", features.d, 22, kAmx);
  add("amx_int8", features.d, 25, kAmx);
  add("avx_vnni", more.a, 4, kAvx);
  add("avx512_bf16", more.a, 5, kAvx512);
  return flags;
}
#endif

}  // namespace

ProcessorFlags processor_flags() {
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
  return x86_flags();
#elif defined(__aarch64__) && defined(__linux__)
  // Bits of asm/hwcap.h, which older systems lack some of.
  constexpr unsigned long kAsimd = 1ul << 1, kDotProduct = 1ul << 20, kI8mm = 1ul << 13;
  ProcessorFlags flags;
  if ((getauxval(AT_HWCAP) & kAsimd) != 0) flags.emplace_back("asimd");
  if ((getauxval(AT_HWCAP) & kDotProduct) != 0) flags.emplace_back("asimddp");
  if ((getauxval(AT_HWCAP2) & kI8mm) != 0) flags.emplace_back("i8mm");
  return flags;
#else
  return {};
#endif
}

bool has_flag(const ProcessorFlags& flags, std::string_view flag) {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

const InstructionSet* byte_products(const ProcessorFlags& flags) {
  const auto found = std::find_if(kInstructionSets.begin(), kInstructionSets.end(),
                                  [&](const InstructionSet& known) { return has_flag(flags, known.flag); });
  return found == kInstructionSets.end() ? nullptr : &*found;
}

bool multiplies_bf16(const ProcessorFlags& flags) {
  return std::any_of(kBf16Flags.begin(), kBf16Flags.end(), [&](const char* flag) { return has_flag(flags, flag); });
}

std::vector<std::string> instruction_sets(const ProcessorFlags& flags) {
  std::vector<std::string> names;
  if (const InstructionSet* found = byte_products(flags)) names.emplace_back(found->flag);
  const auto halves =
      std::find_if(kBf16Flags.begin(), kBf16Flags.end(), [&](const char* flag) { return has_flag(flags, flag); });
  if (halves != kBf16Flags.end()) names.emplace_back(*halves);
  return names;
}

bool is_native(std::string_view target, std::string_view precision, const ProcessorFlags& flags) {
  if (precision == "fp32") return true;
  if (precision == "int8") {
    const InstructionSet* found = byte_products(flags);
    return found != nullptr && found->fast;
  }
  return target == "openvino" && precision == "bf16" && multiplies_bf16(flags);
}

}  // namespace groupvit::detail
