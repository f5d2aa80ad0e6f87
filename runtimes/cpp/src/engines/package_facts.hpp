// What a package of AOTInductor says about itself, as groupvit_runtime.engines.torch writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace groupvit::detail {

struct PackageFacts {
  std::string device;   // that it was compiled for
  std::string machine;  // architecture of the CPU, as Python calls it
  std::vector<std::string> cpu_features;
  std::optional<std::string> compute_capability;  // of the GPU, "9.0"
  struct Sentences {
    std::int64_t longest = 0;
    std::int64_t token_ids = 0;
  };
  std::optional<Sentences> sentences;  // that it takes
  std::string rebuild;                 // the command that builds it anew
};

// From the text under the key "groupvit" of the package's metadata. Throws Error(GROUPVIT_ERROR_BUNDLE) for
// anything else than this version of the toolkit writes.
PackageFacts parse_package_facts(const std::string& text);

}  // namespace groupvit::detail
