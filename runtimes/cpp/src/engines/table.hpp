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

// Contents of an engine's files, in the order of the manifest.
using EngineFiles = std::vector<std::shared_ptr<Bytes>>;

// What an engine is loaded from. Nothing else may be opened: it would be what no hash covers.
struct EngineSource {
  const EngineInfo& info;
  const std::filesystem::path& root;
  EngineFiles files;  // the first is known to be the one that was exported
  Verified verified;  // has to be called before anything is built from the others
};

using EngineFactory = std::unique_ptr<Engine> (*)(EngineSource source, const EngineOptions& options);

struct EngineKind {
  std::string target;
  std::string option;                // of CMake
  std::vector<std::string> files;    // endings of those that it opens, all of which the manifest lists
  std::vector<std::string> devices;  // the usual one first
  bool compiled_for_one;             // a file is for one of the devices, and knows which
  EngineFactory open;                // null where this build was made without it
};

const std::vector<EngineKind>& engine_kinds();

// Defined where the engine is built. `options.device` is one of the target's.
std::unique_ptr<Engine> open_litert(EngineSource source, const EngineOptions& options);
std::unique_ptr<Engine> open_onnxruntime(EngineSource source, const EngineOptions& options);
std::unique_ptr<Engine> open_openvino(EngineSource source, const EngineOptions& options);
std::unique_ptr<Engine> open_tensorrt(EngineSource source, const EngineOptions& options);
std::unique_ptr<Engine> open_torch(EngineSource source, const EngineOptions& options);

}  // namespace groupvit::detail
