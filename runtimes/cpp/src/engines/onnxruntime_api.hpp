// ONNX Runtime's C interface, of whatever version is there when the first engine wants it.
//
// Not linked: its one exported function has the library's own version in its symbol (VERS_1.30.0), so that a program
// linked with one version would start with no other.
#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace groupvit::detail {

// What ONNX Runtime refused, in its words.
class OnnxRuntimeFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct OnnxRuntime {
  const OrtApi* api;
  std::string version;

  // Throws OnnxRuntimeFailure where `status` is one.
  void check(OrtStatus* status) const;
};

// Loaded by the first call, and kept until the process ends. Throws Error(GROUPVIT_ERROR_ENGINE) where there is none,
// or one that is too old.
const OnnxRuntime& onnx_runtime();

// Of `library`, an open handle that messages call `name`. Throws like the above.
OnnxRuntime onnx_runtime_of(void* library, const std::string& name);

template <class T, void (*OrtApi::*kRelease)(T*)>
struct OnnxRuntimeRelease {
  void operator()(T* handle) const noexcept { (onnx_runtime().api->*kRelease)(handle); }
};
using OrtEnvironment = std::unique_ptr<OrtEnv, OnnxRuntimeRelease<OrtEnv, &OrtApi::ReleaseEnv>>;
using OrtOptions =
    std::unique_ptr<OrtSessionOptions, OnnxRuntimeRelease<OrtSessionOptions, &OrtApi::ReleaseSessionOptions>>;
using OrtLoaded = std::unique_ptr<OrtSession, OnnxRuntimeRelease<OrtSession, &OrtApi::ReleaseSession>>;
using OrtMemory = std::unique_ptr<OrtMemoryInfo, OnnxRuntimeRelease<OrtMemoryInfo, &OrtApi::ReleaseMemoryInfo>>;
using OrtTensor = std::unique_ptr<OrtValue, OnnxRuntimeRelease<OrtValue, &OrtApi::ReleaseValue>>;
using OrtTensorFacts = std::unique_ptr<OrtTensorTypeAndShapeInfo,
                                       OnnxRuntimeRelease<OrtTensorTypeAndShapeInfo,
                                                          &OrtApi::ReleaseTensorTypeAndShapeInfo>>;
using OrtKind = std::unique_ptr<OrtTypeInfo, OnnxRuntimeRelease<OrtTypeInfo, &OrtApi::ReleaseTypeInfo>>;
using OrtCuda = std::unique_ptr<OrtCUDAProviderOptionsV2,
                                OnnxRuntimeRelease<OrtCUDAProviderOptionsV2, &OrtApi::ReleaseCUDAProviderOptions>>;

}  // namespace groupvit::detail
