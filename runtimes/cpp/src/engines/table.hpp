// The table of engines: what a target is, where it runs, and what opens its files in this build.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engines/engine.hpp"

namespace groupvit::detail {

using EngineFactory = std::unique_ptr<Engine> (*)(const EngineInfo& info, const std::filesystem::path& root,
                                                  const EngineOptions& options);

struct EngineKind {
  std::string target;
  std::string option;                // of CMake
  std::vector<std::string> devices;  // the usual one first
  bool compiled_for_one;             // a file is for one of the devices, and knows which
  EngineFactory open;                // null where this build was made without it
};

const std::vector<EngineKind>& engine_kinds();

// Defined where the engine is built. `info.files` have been verified, and `options.device` is one of the
// target's.
std::unique_ptr<Engine> open_onnxruntime(const EngineInfo& info, const std::filesystem::path& root,
                                         const EngineOptions& options);
std::unique_ptr<Engine> open_openvino(const EngineInfo& info, const std::filesystem::path& root,
                                      const EngineOptions& options);
std::unique_ptr<Engine> open_tensorrt(const EngineInfo& info, const std::filesystem::path& root,
                                      const EngineOptions& options);
std::unique_ptr<Engine> open_torch(const EngineInfo& info, const std::filesystem::path& root,
                                   const EngineOptions& options);

}  // namespace groupvit::detail
