// The text of a manifest: parsed or refused, and nothing else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "error.hpp"
#include "manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace groupvit::detail;
  try {
    const Manifest manifest = parse_manifest({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const EngineInfo& engine : manifest.engines) {
      engine.max_batch();
      manifest.engine(engine.role);
    }
  } catch (const Error& error) {
    if (error.status() != GROUPVIT_ERROR_BUNDLE) __builtin_trap();
  }
  return 0;
}
