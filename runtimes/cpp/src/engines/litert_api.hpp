// LiteRT's C interface, of whatever version is there when the first engine wants it: the part that is used here.
//
// Not linked: the library comes in wheels without headers, and is loaded where it is. Handles and functions have the
// names that LiteRT gives them, litert/c in https://github.com/google-ai-edge/LiteRT.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace groupvit::detail::litert {

// What LiteRT refused.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Opaque; who made one destroys it, but for signatures and tensors, which are their model's.
struct Environment;
struct Model;
struct Signature;
struct Tensor;
struct Options;
struct OpaqueOptions;
struct CompiledModel;
struct TensorBuffer;

using Status = int;  // 0: done

// LiteRtEnvOption with an integer in it.
struct alignas(8) EnvironmentOption {
  std::int32_t tag;
  std::int32_t padding;
  std::int32_t type;  // of the value
  std::int32_t more_padding;
  std::int64_t value;
};
static_assert(sizeof(EnvironmentOption) == 24, "LiteRtEnvOption has 24 bytes");

// LiteRtRankedTensorType.
struct TensorType {
  std::int32_t element;
  std::uint32_t rank_and_flags;  // the lowest seven bits are the rank
  std::int32_t sides[8];
  std::uint32_t strides[8];

  std::size_t rank() const { return rank_and_flags & 0x7F; }
};
static_assert(sizeof(TensorType) == 72, "LiteRtRankedTensorType has 72 bytes");

enum Element : std::int32_t { kFloat32 = 1, kInt32 = 2, kUInt8 = 3, kInt64 = 4 };

struct Api {
  Status (*LiteRtCreateEnvironment)(int, const EnvironmentOption*, Environment**);
  void (*LiteRtDestroyEnvironment)(Environment*);
  // The memory is the model's as long as it lives.
  Status (*LiteRtCreateModelFromBuffer)(Environment*, const void*, std::size_t, Model**);
  void (*LiteRtDestroyModel)(Model*);
  Status (*LiteRtGetNumModelSignatures)(Model*, std::size_t*);
  Status (*LiteRtGetModelSignature)(Model*, std::size_t, Signature**);
  Status (*LiteRtGetSignatureKey)(Signature*, const char**);
  Status (*LiteRtGetNumSignatureInputs)(Signature*, std::size_t*);
  Status (*LiteRtGetNumSignatureOutputs)(Signature*, std::size_t*);
  Status (*LiteRtGetSignatureInputName)(Signature*, std::size_t, const char**);
  Status (*LiteRtGetSignatureOutputName)(Signature*, std::size_t, const char**);
  Status (*LiteRtGetSignatureInputTensorByIndex)(Signature*, std::size_t, Tensor**);
  Status (*LiteRtGetSignatureOutputTensorByIndex)(Signature*, std::size_t, Tensor**);
  Status (*LiteRtGetRankedTensorType)(Tensor*, TensorType*);
  Status (*LiteRtCreateOptions)(Options**);
  void (*LiteRtDestroyOptions)(Options*);
  Status (*LiteRtSetOptionsHardwareAccelerators)(Options*, int);
  Status (*LiteRtCreateOpaqueOptions)(const char*, void*, void (*)(void*), OpaqueOptions**);
  void (*LiteRtDestroyOpaqueOptions)(OpaqueOptions*);
  Status (*LiteRtAddOpaqueOptions)(Options*, OpaqueOptions*);  // takes the second over
  Status (*LiteRtCreateCompiledModel)(Environment*, Model*, Options*, CompiledModel**);
  void (*LiteRtDestroyCompiledModel)(CompiledModel*);
  // At an address of 64 bytes; it is not copied.
  Status (*LiteRtCreateTensorBufferFromHostMemory)(const TensorType*, void*, std::size_t, void (*)(void*),
                                                   TensorBuffer**);
  void (*LiteRtDestroyTensorBuffer)(TensorBuffer*);
  Status (*LiteRtRunCompiledModel)(CompiledModel*, std::size_t, std::size_t, TensorBuffer**, std::size_t,
                                   TensorBuffer**);
};

// Loaded by the first call, and kept until the process ends. Throws Error(GROUPVIT_ERROR_ENGINE) where there is none,
// or one whose interface is another.
const Api& api();

// Throws Failure where `status` is one; `what` was done.
void check(Status status, const char* what);

template <class T, void (*Api::*kDestroy)(T*)>
struct Destroy {
  void operator()(T* handle) const noexcept { (api().*kDestroy)(handle); }
};
using EnvironmentOwner = std::unique_ptr<Environment, Destroy<Environment, &Api::LiteRtDestroyEnvironment>>;
using ModelOwner = std::unique_ptr<Model, Destroy<Model, &Api::LiteRtDestroyModel>>;
using OptionsOwner = std::unique_ptr<Options, Destroy<Options, &Api::LiteRtDestroyOptions>>;
using CompiledOwner = std::unique_ptr<CompiledModel, Destroy<CompiledModel, &Api::LiteRtDestroyCompiledModel>>;
using BufferOwner = std::unique_ptr<TensorBuffer, Destroy<TensorBuffer, &Api::LiteRtDestroyTensorBuffer>>;

// For the CPU alone, and silent: without being asked it looks for GPUs, and prints what it finds.
EnvironmentOwner make_environment();

// `bytes` have to live as long.
ModelOwner make_model(Environment* environment, const void* bytes, std::size_t size);

// By XNNPACK with so many threads.
CompiledOwner compile(Environment* environment, Model* model, std::size_t threads);

}  // namespace groupvit::detail::litert
