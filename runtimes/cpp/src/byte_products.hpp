// What this processor multiplies bytes by, and what int8 loses where that is not what it was judged on; by the rules of
// groupvit_runtime.byte_products.
#pragma once

#include <string>

#include "manifest.hpp"

namespace groupvit::detail {

struct ProcessorFlags {
  bool x86 = false;
  // AMX is on no processor without the first.
  bool avx512_vnni = false;
  bool avx_vnni = false;
  bool avx512bw = false;
  bool avx2 = false;
};

ProcessorFlags processor_flags();

// Empty where there is nothing to say. `name` is the bundle's, `device` what was asked for, or empty.
std::string int8_caution(const std::string& name, const EngineInfo& engine, const std::string& device,
                         const ProcessorFlags& flags);

}  // namespace groupvit::detail
