#include "engines/table.hpp"

#include <algorithm>
#include <cstddef>
#include <future>
#include <utility>

#include "error.hpp"

namespace groupvit::detail {
namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

const EngineKind& find_kind(const std::string& target) {
  std::vector<std::string> known;
  for (const EngineKind& kind : engine_kinds()) {
    if (kind.target == target) return kind;
    known.push_back(kind.target);
  }
  throw Error(GROUPVIT_ERROR_ENGINE, "the bundle is for a target that this library does not know", target,
              joined(known, ", "), "install the version of the toolkit that exported it");
}

// What is not listed has no hash, and no engine may open it.
void check_files(const EngineInfo& info, const EngineKind& kind) {
  std::vector<std::string> endings, paths;
  for (const FileInfo& file : info.files) {
    paths.push_back(file.path);
    endings.push_back(std::filesystem::u8path(file.path).extension().u8string());
  }
  if (endings == kind.files) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "the manifest does not list the files that the " + info.target + " engine opens",
              joined(paths, ", "), "one " + joined(kind.files, " and one "),
              "do not use this bundle; get it again from where it was exported");
}

}  // namespace

const std::vector<EngineKind>& engine_kinds() {
#ifdef GROUPVIT_WITH_ONNXRUNTIME
  constexpr EngineFactory onnx = open_onnxruntime;
#else
  constexpr EngineFactory onnx = nullptr;
#endif
#ifdef GROUPVIT_WITH_LITERT
  constexpr EngineFactory litert = open_litert;
#else
  constexpr EngineFactory litert = nullptr;
#endif
#ifdef GROUPVIT_WITH_OPENVINO
  constexpr EngineFactory openvino = open_openvino;
#else
  constexpr EngineFactory openvino = nullptr;
#endif
#if defined(GROUPVIT_WITH_TENSORRT) || defined(GROUPVIT_WITH_TENSORRT_RTX)
  constexpr EngineFactory trt = open_tensorrt;
#else
  constexpr EngineFactory trt = nullptr;
#endif
#ifdef GROUPVIT_WITH_TORCH
  constexpr EngineFactory torch = open_torch;
#else
  constexpr EngineFactory torch = nullptr;
#endif
  static const std::vector<EngineKind> kinds = {
      {"onnx", "GROUPVIT_WITH_ONNXRUNTIME", {".onnx"}, {"cpu", "cuda"}, false, onnx},
      {"openvino", "GROUPVIT_WITH_OPENVINO", {".xml", ".bin"}, {"cpu"}, false, openvino},
      {"litert", "GROUPVIT_WITH_LITERT", {".tflite"}, {"cpu"}, false, litert},
      {"trt", "GROUPVIT_WITH_TENSORRT or GROUPVIT_WITH_TENSORRT_RTX", {".engine"}, {"cuda"}, false, trt},
      {"torch", "GROUPVIT_WITH_TORCH", {".pt2"}, {"cpu", "cuda"}, true, torch},
  };
  return kinds;
}

std::unique_ptr<Engine> load_engine(const EngineInfo& info, const std::filesystem::path& root,
                                    const EngineOptions& options) {
  const EngineKind& kind = find_kind(info.target);
  EngineOptions chosen = options;
  if (chosen.device.empty() && !kind.compiled_for_one) chosen.device = kind.devices.front();
  if (!chosen.device.empty() &&
      std::find(kind.devices.begin(), kind.devices.end(), chosen.device) == kind.devices.end()) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the " + info.target + " engine does not run on this device",
                chosen.device, joined(kind.devices, " or "),
                "leave the device away, or export for another target: groupvit export --target onnx");
  }
  if (options.streams > 0 && info.target != "openvino") {
    throw Error(GROUPVIT_ERROR_ENGINE, "the " + info.target + " engine has no streams",
                std::to_string(options.streams), "this with a target that has them: openvino",
                "leave the streams away; several threads may call one engine all the same");
  }
  if (options.throughput && ((info.target != "openvino" && info.target != "onnx") || chosen.device != "cpu")) {
    throw Error(GROUPVIT_ERROR_ENGINE,
                "the " + info.target + " engine has no setting for throughput on this device",
                chosen.device.empty() ? "the device that it was compiled for" : chosen.device,
                "this on the CPU with openvino or onnx", "leave streams at 0");
  }
  if (kind.open == nullptr) {
    throw Error(GROUPVIT_ERROR_UNSUPPORTED, "this library was built without the " + info.target + " engine",
                "engines: " + (built_engines().empty() ? "none" : joined(built_engines(), ", ")), info.target,
                "build it with -D" + kind.option +
                    "=ON and the SDK in CMAKE_PREFIX_PATH, or export for a target that it has");
  }
  check_files(info, kind);
  EngineFiles files;
  for (const FileInfo& file : info.files) files.push_back(std::make_shared<Bytes>(file.load(root)));
  // The small one first; the weights in another thread, for the engine can read its graph meanwhile.
  info.files.front().check(*files.front(), root);
  std::future<void> others = std::async([&info, &root, files] {
    for (std::size_t i = 1; i < files.size(); ++i) info.files[i].check(*files[i], root);
  });
  return kind.open({info, root, std::move(files), [&others] { others.get(); }}, chosen);
}

std::vector<std::string> built_engines() {
  std::vector<std::string> names;
  for (const EngineKind& kind : engine_kinds()) {
    if (kind.open != nullptr) names.push_back(kind.target);
  }
  return names;
}

}  // namespace groupvit::detail
