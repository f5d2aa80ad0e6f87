// The table of engines: what a target is, where it runs, and what opens its files in this build.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engines/engine.hpp"

namespace groupvit::detail {

// Returns once every file of an engine is known to be the one that was exported, and throws otherwise. To be called
// once.
using Verified = std::function<void()>;

using EngineFactory = std::unique_ptr<Engine> (*)(const EngineInfo& info, const std::filesystem::path& root,
                                                  const EngineOptions& options, const Verified& verified);

struct EngineKind {
  std::string target;
  std::string option;                // of CMake
  std::vector<std::string> devices;  // the usual one first
  bool compiled_for_one;             // a file is for one of the devices, and knows which
  EngineFactory open;                // null where this build was made without it
};

const std::vector<EngineKind>& engine_kinds();

// Defined where the engine is built. `options.device` is one of the target's. The first of `info.files` has been
// verified; `verified` has to be called before anything is built from the others.
std::unique_ptr<Engine> open_onnxruntime(const EngineInfo& info, const std::filesystem::path& root,
                                         const EngineOptions& options, const Verified& verified);
std::unique_ptr<Engine> open_openvino(const EngineInfo& info, const std::filesystem::path& root,
                                      const EngineOptions& options, const Verified& verified);
std::unique_ptr<Engine> open_tensorrt(const EngineInfo& info, const std::filesystem::path& root,
                                      const EngineOptions& options, const Verified& verified);
std::unique_ptr<Engine> open_torch(const EngineInfo& info, const std::filesystem::path& root,
                                   const EngineOptions& options, const Verified& verified);

}  // namespace groupvit::detail
