#include "engines/onnxruntime_api.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>

#include "engines/support.hpp"
#include "error.hpp"

namespace groupvit::detail {
namespace {

// The oldest interface that has what is used: the option `session.x64quantprecision` came with 1.13, and older ones
// take it without a word and do nothing.
constexpr std::uint32_t kApi = 13;
const std::string kOldest = "1." + std::to_string(kApi);

constexpr std::array<const char*, 2> kNames = {"libonnxruntime.so.1", "libonnxruntime.so"};

std::string loader_message() {
  const char* const message = dlerror();
  return message == nullptr ? "no reason given" : one_line(message);
}

[[noreturn]] void refuse(const std::string& what, const std::string& got) {
  throw Error(GROUPVIT_ERROR_ENGINE, what, got,
              std::string(kNames[0]) + " of ONNX Runtime " + kOldest +
                  " or newer, in groupvit/ beside this library or where the system's loader looks",
              "pip download onnxruntime, and put the wheel's onnxruntime/capi/libonnxruntime.so.* there under this "
              "name; or name its folder in LD_LIBRARY_PATH");
}

}  // namespace

void OnnxRuntime::check(OrtStatus* status) const {
  if (status == nullptr) return;
  const std::string message = api->GetErrorMessage(status);
  api->ReleaseStatus(status);
  throw OnnxRuntimeFailure(message);
}

OnnxRuntime onnx_runtime_of(void* library, const std::string& name) {
  // Without a version, unlike the linker's references.
  void* const symbol = dlsym(library, "OrtGetApiBase");
  if (symbol == nullptr) refuse(name + " is no ONNX Runtime", loader_message());
  const OrtApiBase* const base = reinterpret_cast<const OrtApiBase* (*)()>(symbol)();
  const std::string version = base->GetVersionString();
  const std::vector<long> numbers = version_numbers(version, 2);
  // By the number first: asked for an interface that it lacks, it prints.
  const bool is_old = numbers < std::vector<long>{1, kApi};
  const OrtApi* const api = is_old ? nullptr : base->GetApi(kApi);
  if (api == nullptr) refuse("the ONNX Runtime that was loaded is too old", "ONNX Runtime " + version);
  return {api, version};
}

const OnnxRuntime& onnx_runtime() {
  // Never destroyed: a host may give back its last engine after the destructors of this library.
  static const OnnxRuntime* const only = []() -> const OnnxRuntime* {
    std::string reasons;
    for (const char* const name : kNames) {
      // The host's own where it has loaded one.
      void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library != nullptr) return new OnnxRuntime(onnx_runtime_of(library, name));
      reasons += (reasons.empty() ? "" : "; ") + loader_message();
    }
    refuse("ONNX Runtime cannot be loaded", reasons);
  }();
  return *only;
}

}  // namespace groupvit::detail
