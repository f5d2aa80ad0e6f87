// `groupvit::GroupingAttention` for ONNX Runtime's CUDA execution provider: a custom operator library.
//
//   inputs   query [B, G, C], tokens [B, N, C], bias [B, G]; all float32, all float16 or all bfloat16
//   outputs  means [B, G, C] float32, soft [B, G, N] float32, index [B, N] int64, count [B, G] float32
//
// Load it with SessionOptions.register_custom_ops_library() before the session is made. Needs ONNX Runtime
// 1.18 or newer, and one that is at least as new as the headers that this was compiled with.

// The API comes from whoever loads this, so that the library links to no ONNX Runtime of its own.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#undef ORT_API_MANUAL_INIT

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "groupvit/grouping_attention.h"

#if ORT_API_VERSION < 18
#error "expected the headers of ONNX Runtime 1.18 or newer"
#endif

namespace groupvit::onnxruntime {
namespace {

constexpr char kDomain[] = "groupvit";
constexpr char kName[] = "GroupingAttention";

static_assert(GROUPVIT_GROUPING_ATTENTION_VERSION == 1, "custom operators are registered as version 1");

using Shape = std::vector<int64_t>;

// No exception may pass through the C interface.
template <typename Body>
OrtStatusPtr guarded(const OrtApi& api, Body&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Ort::Exception& error) {
    return api.CreateStatus(error.GetOrtErrorCode(), error.what());
  } catch (const std::exception& error) {
    return api.CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
  }
}

[[noreturn]] void refuse(const std::string& what) {
  throw Ort::Exception(std::string(kDomain) + "::" + kName + ": " + what, ORT_INVALID_ARGUMENT);
}

Shape shape_of(const Ort::ConstValue& value) { return value.GetTensorTypeAndShapeInfo().GetShape(); }

class Kernel {
 public:
  Kernel(const OrtApi& api, const OrtKernelInfo* info, groupvit_dtype dtype)
      : api_(api), dtype_(dtype), eps_(Ort::ConstKernelInfo(info).GetAttribute<float>("eps")) {}

  OrtStatusPtr ComputeV2(OrtKernelContext* context) const noexcept {
    return guarded(api_, [&] { compute(Ort::KernelContext(context)); });
  }

 private:
  void compute(const Ort::KernelContext& context) const {
    const Ort::ConstValue query = context.GetInput(0);
    const Ort::ConstValue tokens = context.GetInput(1);
    const Ort::ConstValue bias = context.GetInput(2);
    const Shape query_shape = shape_of(query);
    const Shape tokens_shape = shape_of(tokens);
    const Shape bias_shape = shape_of(bias);
    if (query_shape.size() != 3 || tokens_shape.size() != 3 || bias_shape.size() != 2) {
      refuse("expected query [B, G, C], tokens [B, N, C] and bias [B, G]");
    }
    const int64_t batch = query_shape[0], groups = query_shape[1], channels = query_shape[2];
    const int64_t length = tokens_shape[1];
    if (tokens_shape[0] != batch || tokens_shape[2] != channels || bias_shape[0] != batch ||
        bias_shape[1] != groups) {
      refuse("B, G or C differ between query [B, G, C], tokens [B, N, C] and bias [B, G]");
    }

    groupvit_grouping_attention_arguments arguments{};
    arguments.dtype = dtype_;
    arguments.eps = eps_;
    arguments.batch = batch;
    arguments.groups = groups;
    arguments.length = length;
    arguments.channels = channels;
    arguments.query = query.GetTensorRawData();
    arguments.tokens = tokens.GetTensorRawData();
    arguments.bias = bias.GetTensorRawData();
    arguments.query_strides[0] = groups * channels;
    arguments.query_strides[1] = channels;
    arguments.query_strides[2] = 1;
    arguments.tokens_strides[0] = length * channels;
    arguments.tokens_strides[1] = channels;
    arguments.tokens_strides[2] = 1;
    arguments.bias_strides[0] = groups;
    arguments.bias_strides[1] = 1;
    arguments.means = context.GetOutput(0, Shape{batch, groups, channels}).GetTensorMutableData<float>();
    arguments.soft = context.GetOutput(1, Shape{batch, groups, length}).GetTensorMutableData<float>();
    arguments.index = context.GetOutput(2, Shape{batch, length}).GetTensorMutableData<int64_t>();
    arguments.count = context.GetOutput(3, Shape{batch, groups}).GetTensorMutableData<float>();
    const groupvit_kernel_status status = groupvit_grouping_attention(&arguments, context.GetGPUComputeStream());
    if (status != GROUPVIT_KERNEL_OK) {
      refuse(groupvit_kernel_status_text(status));
    }
  }

  const OrtApi& api_;
  groupvit_dtype dtype_;
  float eps_;
};

// One operator for each dtype, rather than one for any: what none of them takes stays with the function body
// of the model instead of failing when it runs.
class Operator : public Ort::CustomOpBase<Operator, Kernel, /*WithStatus=*/true> {
 public:
  Operator(ONNXTensorElementDataType type, groupvit_dtype dtype) : type_(type), dtype_(dtype) {}

  OrtStatusPtr CreateKernelV2(const OrtApi& api, const OrtKernelInfo* info, void** kernel) const noexcept {
    return guarded(api, [&] { *kernel = new Kernel(api, info, dtype_); });
  }

  const char* GetName() const noexcept { return kName; }
  const char* GetExecutionProviderType() const noexcept { return "CUDAExecutionProvider"; }
  size_t GetInputTypeCount() const noexcept { return 3; }
  ONNXTensorElementDataType GetInputType(size_t) const noexcept { return type_; }
  size_t GetOutputTypeCount() const noexcept { return 4; }
  ONNXTensorElementDataType GetOutputType(size_t output) const noexcept {
    return output == 2 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  }

 private:
  ONNXTensorElementDataType type_;
  groupvit_dtype dtype_;
};

}  // namespace
}  // namespace groupvit::onnxruntime

#if defined(_WIN32)
#define GROUPVIT_OP_API extern "C" __declspec(dllexport)
#else
#define GROUPVIT_OP_API extern "C" __attribute__((visibility("default")))
#endif

GROUPVIT_OP_API OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  const OrtApi* const api = base->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    const std::string what = std::string("this library was compiled with the headers of a newer ONNX Runtime: API ") +
                             std::to_string(ORT_API_VERSION) + ", the runtime is " + base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_FAIL, what.c_str());
  }
  return groupvit::onnxruntime::guarded(*api, [&] {
    using groupvit::onnxruntime::Operator;
    // Sessions keep the addresses of all of these.
    static const Operator float32(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, GROUPVIT_FLOAT32);
    static const Operator float16(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, GROUPVIT_FLOAT16);
    static const Operator bfloat16(ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, GROUPVIT_BFLOAT16);
    // Never released: when a process ends, ONNX Runtime may be gone before this library is.
    static OrtCustomOpDomain* const domain = [api] {
      // In here it happens once, whatever number of threads make sessions.
      Ort::InitApi(api);
      Ort::CustomOpDomain made(groupvit::onnxruntime::kDomain);
      made.Add(&float32);
      made.Add(&float16);
      made.Add(&bfloat16);
      return made.release();
    }();
    Ort::UnownedSessionOptions(options).Add(domain);
  });
}
