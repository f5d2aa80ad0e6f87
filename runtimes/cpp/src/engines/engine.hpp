// What executes an engine file: one small interface and one table of implementations.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "manifest.hpp"
#include "tensor.hpp"

namespace groupvit::detail {

struct EngineOptions {
  std::string device;        // "cpu", "cuda", or empty for the target's usual one
  std::int64_t threads = 0;  // 0: the engine's own choice
  std::int64_t streams = 0;  // calls that OpenVINO computes at once, its threads divided among them; 0: one
  bool throughput = false;   // the most images a second where many threads call, rather than the shortest call
};

// A loaded engine. `run` may be called from several threads at once.
class Engine {
 public:
  virtual ~Engine() = default;
  // Runtime, version, device and precision that are really in use.
  virtual std::string description() const = 0;
  // `wanted`: names of the outputs to return. Throws Error(GROUPVIT_ERROR_ENGINE).
  virtual Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) = 0;
};

// Verifies the files and loads the engine. Throws Error with the status of the reason; a target that was left
// out of this build is GROUPVIT_ERROR_UNSUPPORTED and says how to get it.
std::unique_ptr<Engine> load_engine(const EngineInfo& info, const std::filesystem::path& root,
                                    const EngineOptions& options);

// Targets that this build can run, in the order of the table.
std::vector<std::string> built_engines();

}  // namespace groupvit::detail
