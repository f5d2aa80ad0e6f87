#include "engines/litert_api.hpp"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "engines/support.hpp"
#include "error.hpp"

namespace groupvit::detail::litert {
namespace {

constexpr const char* kName = "libLiteRt.so";
// A function that 2.2 brought. Functions of the same names took other arguments before 2.1, and there is none that says
// the version.
constexpr const char* kMark = "LiteRtExternalLiteRtBufferContextGetRunOptions";

// LiteRtEnvOptionTag, LiteRtAnyType, LiteRtHwAccelerators, LiteRtLogSeverity.
constexpr std::int32_t kAutoRegisterAccelerators = 24, kMinLoggerSeverity = 25, kInteger = 2;
constexpr int kCpu = 1, kSilent = 4;

std::string loader_message() {
  const char* const message = dlerror();
  return message == nullptr ? "no reason given" : one_line(message);
}

[[noreturn]] void refuse(const std::string& what, const std::string& got) {
  throw Error(GROUPVIT_ERROR_ENGINE, what, got,
              std::string(kName) + " of LiteRT 2.2 or newer, in groupvit/ beside this library or where the system's "
                                   "loader looks",
              "pip download ai-edge-litert, and put the wheel's ai_edge_litert/libLiteRt.so there; or name its folder "
              "in LD_LIBRARY_PATH");
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  void* const symbol = dlsym(library, name);
  if (symbol == nullptr) refuse(std::string(kName) + " lacks a function of LiteRT's C interface", loader_message());
  function = reinterpret_cast<Function>(symbol);
}

Api load(void* library) {
  void (*mark)() = nullptr;
  find(library, kMark, mark);
  Api api{};
#define GROUPVIT_FIND(name) find(library, #name, api.name)
  GROUPVIT_FIND(LiteRtCreateEnvironment);
  GROUPVIT_FIND(LiteRtDestroyEnvironment);
  GROUPVIT_FIND(LiteRtCreateModelFromBuffer);
  GROUPVIT_FIND(LiteRtDestroyModel);
  GROUPVIT_FIND(LiteRtGetNumModelSignatures);
  GROUPVIT_FIND(LiteRtGetModelSignature);
  GROUPVIT_FIND(LiteRtGetSignatureKey);
  GROUPVIT_FIND(LiteRtGetNumSignatureInputs);
  GROUPVIT_FIND(LiteRtGetNumSignatureOutputs);
  GROUPVIT_FIND(LiteRtGetSignatureInputName);
  GROUPVIT_FIND(LiteRtGetSignatureOutputName);
  GROUPVIT_FIND(LiteRtGetSignatureInputTensorByIndex);
  GROUPVIT_FIND(LiteRtGetSignatureOutputTensorByIndex);
  GROUPVIT_FIND(LiteRtGetRankedTensorType);
  GROUPVIT_FIND(LiteRtCreateOptions);
  GROUPVIT_FIND(LiteRtDestroyOptions);
  GROUPVIT_FIND(LiteRtSetOptionsHardwareAccelerators);
  GROUPVIT_FIND(LiteRtCreateOpaqueOptions);
  GROUPVIT_FIND(LiteRtDestroyOpaqueOptions);
  GROUPVIT_FIND(LiteRtAddOpaqueOptions);
  GROUPVIT_FIND(LiteRtCreateCompiledModel);
  GROUPVIT_FIND(LiteRtDestroyCompiledModel);
  GROUPVIT_FIND(LiteRtCreateTensorBufferFromHostMemory);
  GROUPVIT_FIND(LiteRtDestroyTensorBuffer);
  GROUPVIT_FIND(LiteRtRunCompiledModel);
#undef GROUPVIT_FIND
  return api;
}

}  // namespace

const Api& api() {
  // Never destroyed: a host may give back its last engine after the destructors of this library.
  static const Api* const only = [] {
    void* const library = dlopen(kName, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) refuse("LiteRT cannot be loaded", loader_message());
    return new Api(load(library));
  }();
  return *only;
}

void check(Status status, const char* what) {
  // Its words for a status are not exported.
  if (status != 0) throw Failure(std::string(what) + " failed with LiteRtStatus " + std::to_string(status));
}

EnvironmentOwner make_environment() {
  const std::array<EnvironmentOption, 2> options = {
      {{kAutoRegisterAccelerators, 0, kInteger, 0, kCpu}, {kMinLoggerSeverity, 0, kInteger, 0, kSilent}}};
  Environment* made = nullptr;
  check(api().LiteRtCreateEnvironment(static_cast<int>(options.size()), options.data(), &made), "LiteRtCreateEnvironment");
  return EnvironmentOwner(made);
}

ModelOwner make_model(Environment* environment, const void* bytes, std::size_t size) {
  Model* made = nullptr;
  check(api().LiteRtCreateModelFromBuffer(environment, bytes, size, &made), "LiteRtCreateModelFromBuffer");
  return ModelOwner(made);
}

CompiledOwner compile(Environment* environment, Model* model, std::size_t threads) {
  Options* options = nullptr;
  check(api().LiteRtCreateOptions(&options), "LiteRtCreateOptions");
  const OptionsOwner owner(options);
  check(api().LiteRtSetOptionsHardwareAccelerators(options, kCpu), "LiteRtSetOptionsHardwareAccelerators");
  const std::string settings = "num_threads = " + std::to_string(threads) + "\n";  // TOML
  char* const copied = strdup(settings.c_str());
  OpaqueOptions* opaque = nullptr;
  if (const Status status = api().LiteRtCreateOpaqueOptions("xnnpack", copied, std::free, &opaque)) {
    std::free(copied);
    check(status, "LiteRtCreateOpaqueOptions");
  }
  if (const Status status = api().LiteRtAddOpaqueOptions(options, opaque)) {
    api().LiteRtDestroyOpaqueOptions(opaque);
    check(status, "LiteRtAddOpaqueOptions");
  }
  CompiledModel* made = nullptr;
  check(api().LiteRtCreateCompiledModel(environment, model, options, &made), "LiteRtCreateCompiledModel");
  return CompiledOwner(made);
}

}  // namespace groupvit::detail::litert
