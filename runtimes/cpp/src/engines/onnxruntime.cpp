// ONNX Runtime, on the CPU or through CUDA.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engines/graph_file.hpp"
#include "engines/onnxruntime_api.hpp"
#include "engines/pool.hpp"
#include "engines/support.hpp"
#include "engines/table.hpp"
#include "engines/telemetry_off.hpp"

namespace groupvit::detail {
namespace {

std::string provider_of(const std::string& device) {
  return device == "cuda" ? "CUDAExecutionProvider" : "CPUExecutionProvider";
}

// What its CPU does with engines of a precision. It has no bf16, and fp16 only by casts to float32.
std::string precision_on(const std::string& device, const std::string& precision) {
  if (device != "cpu" || precision == "fp32" || precision == "int8") return precision;
  if (precision == "w16" || precision == "fp16") return "fp16 weights, computed in float32";
  throw Error(GROUPVIT_ERROR_ENGINE, "ONNX Runtime cannot compute in " + precision + " on a CPU",
              "device cpu", "device cuda, or an engine in fp32, w16, fp16 or int8",
              "device cuda, or groupvit export --target openvino --precision bf16");
}

// Nothing is printed; what goes wrong comes back as a status, too.
void ignore_log(void*, OrtLoggingLevel, const char*, const char*, const char*, const char*) {}

// ONNX Runtime has one environment a process and counts its users.
OrtEnvironment make_environment() {
  const OnnxRuntime& runtime = onnx_runtime();
  const TelemetryOff off;
  OrtEnv* environment = nullptr;
  runtime.check(runtime.api->CreateEnvWithCustomLogger(ignore_log, nullptr, ORT_LOGGING_LEVEL_ERROR, "groupvit",
                                                       &environment));
  return OrtEnvironment(environment);
}

std::vector<std::string> available_providers() {
  const OnnxRuntime& runtime = onnx_runtime();
  char** names = nullptr;
  int count = 0;
  runtime.check(runtime.api->GetAvailableProviders(&names, &count));
  const std::vector<std::string> copied(names, names + count);
  runtime.check(runtime.api->ReleaseAvailableProviders(names, count));
  return copied;
}

void check_provider(const std::string& provider) {
  const std::vector<std::string> available = available_providers();
  if (std::find(available.begin(), available.end(), provider) != available.end()) return;
  std::string names;
  for (const std::string& name : available) names += (names.empty() ? "" : ", ") + name;
  throw Error(GROUPVIT_ERROR_ENGINE,
              "ONNX Runtime has no such execution provider here; it would have fallen back silently", names,
              provider, "install ONNX Runtime for GPUs (and its CUDA libraries), or use the device cpu");
}

void append_cuda(OrtSessionOptions* options) {
  const OnnxRuntime& runtime = onnx_runtime();
  OrtCUDAProviderOptionsV2* made = nullptr;
  runtime.check(runtime.api->CreateCUDAProviderOptions(&made));
  const OrtCuda cuda(made);
  // TF32 keeps 10 bits of mantissa; assignments with a small margin would flip.
  const char* const keys[] = {"use_tf32"};
  const char* const values[] = {"0"};
  runtime.check(runtime.api->UpdateCUDAProviderOptions(cuda.get(), keys, values, 1));
  // Fails where the provider cannot be had: unlike Python's, this interface does not fall back.
  runtime.check(runtime.api->SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda.get()));
}

OrtOptions make_options(const EngineInfo& info, const EngineOptions& wanted) {
  const OnnxRuntime& runtime = onnx_runtime();
  OrtSessionOptions* made = nullptr;
  runtime.check(runtime.api->CreateSessionOptions(&made));
  OrtOptions options(made);
  runtime.check(runtime.api->SetSessionLogSeverityLevel(made, ORT_LOGGING_LEVEL_ERROR));
  // For throughput every call is computed on the thread that it came on, which waits for no other.
  const std::int64_t threads = wanted.throughput ? 1 : wanted.threads;
  if (threads > 0) runtime.check(runtime.api->SetIntraOpNumThreads(made, static_cast<int>(threads)));
  // Without VNNI its products of unsigned and signed bytes saturate in 16 bits. Takes weights as unsigned,
  // whose products do not; with VNNI it costs nothing, and gives the same bits.
  if (info.precision == "int8")
    runtime.check(runtime.api->AddSessionConfigEntry(made, "session.x64quantprecision", "1"));
  if (wanted.device == "cuda") append_cuda(made);
  return options;
}

OrtLoaded make_session(const OrtEnv* environment, const Bytes& graph, const OrtSessionOptions* options) {
  const OnnxRuntime& runtime = onnx_runtime();
  OrtSession* made = nullptr;
  runtime.check(runtime.api->CreateSessionFromArray(environment, graph.data(), graph.size(), options, &made));
  return OrtLoaded(made);
}

ONNXTensorElementDataType element_type(const Tensor& tensor) {
  if (std::holds_alternative<std::vector<float>>(tensor.values)) return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  if (std::holds_alternative<std::vector<std::int64_t>>(tensor.values))
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
  if (std::holds_alternative<std::vector<std::int32_t>>(tensor.values))
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
}

std::string dtype_of(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return "float32";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return "int64";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return "int32";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return "uint8";
    default:
      return "ONNX's type " + std::to_string(static_cast<int>(type));
  }
}

// What the session says of its inputs or outputs, by the functions that ask for one or the other.
template <typename Count, typename Name, typename Kind>
std::vector<TensorInfo> tensors_of(const OrtSession* session, Count count_of, Name name_of, Kind kind_of) {
  const OnnxRuntime& runtime = onnx_runtime();
  const OrtApi& api = *runtime.api;
  OrtAllocator* allocator = nullptr;  // of the process
  runtime.check(api.GetAllocatorWithDefaultOptions(&allocator));
  std::size_t count = 0;
  runtime.check((api.*count_of)(session, &count));
  std::vector<TensorInfo> tensors(count);
  for (std::size_t index = 0; index < count; ++index) {
    TensorInfo& tensor = tensors[index];
    char* name = nullptr;
    runtime.check((api.*name_of)(session, index, allocator, &name));
    tensor.name = name;
    runtime.check(api.AllocatorFree(allocator, name));
    OrtTypeInfo* made = nullptr;
    runtime.check((api.*kind_of)(session, index, &made));
    const OrtKind kind(made);
    const OrtTensorTypeAndShapeInfo* facts = nullptr;  // belongs to `kind`
    runtime.check(api.CastTypeInfoToTensorInfo(made, &facts));
    if (facts == nullptr) continue;  // no tensor
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    runtime.check(api.GetTensorElementType(facts, &type));
    tensor.dtype = dtype_of(type);
    std::size_t axes = 0;
    runtime.check(api.GetDimensionsCount(facts, &axes));
    tensor.shape.resize(axes);
    runtime.check(api.GetDimensions(facts, tensor.shape.data(), axes));
  }
  return tensors;
}

// A session; `Run` is safe between threads, so one is shared by all. Its arena grows with the calls that run at once,
// and keeps what it had.
class OnnxRuntimeEngine final : public Engine {
 public:
  OnnxRuntimeEngine(const EngineInfo& info, const Bytes& graph, const EngineOptions& options)
      : info_(info),
        precision_(precision_on(options.device, info.precision)),
        provider_(provider_of(options.device)),
        turns_(options.throughput && options.threads > 0 ? static_cast<std::size_t>(options.threads)
                                                         : calls_at_once()) {
    try {
      environment_ = make_environment();
      check_provider(provider_);
      const OrtOptions session = make_options(info, options);
      session_ = make_session(environment_.get(), graph, session.get());
      const auto inputs = tensors_of(session_.get(), &OrtApi::SessionGetInputCount, &OrtApi::SessionGetInputName,
                                     &OrtApi::SessionGetInputTypeInfo);
      const auto outputs = tensors_of(session_.get(), &OrtApi::SessionGetOutputCount, &OrtApi::SessionGetOutputName,
                                      &OrtApi::SessionGetOutputTypeInfo);
      check_interface(runtime(), info, inputs, outputs);
    } catch (const OnnxRuntimeFailure& error) {
      const auto built = info.versions.find("onnxruntime");
      throw load_failed(runtime(), info, error.what(),
                        "use ONNX Runtime " +
                            (built == info.versions.end() ? onnx_runtime().version : built->second) +
                            " or newer, or export the bundle again");
    }
  }

  std::string description() const override { return runtime() + ", " + provider_ + ", " + precision_; }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs(runtime(), info_, inputs);
    for (const std::string& name : wanted) output_info(info_, name);
    try {
      return turns_.use([] { return Turn(); }, [&](Turn&, bool) { return run_checked(inputs, wanted); });
    } catch (const OnnxRuntimeFailure& error) {
      throw run_failed(runtime(), info_, inputs, error.what());
    }
  }

 private:
  struct Turn {};

  static std::string runtime() { return "ONNX Runtime " + onnx_runtime().version; }

  Tensors run_checked(const Tensors& inputs, const std::vector<std::string>& wanted) {
    const OnnxRuntime& runtime = onnx_runtime();
    // Memory of the host: for CUDA the session copies by itself.
    OrtMemoryInfo* made = nullptr;
    runtime.check(runtime.api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &made));
    const OrtMemory memory(made);
    std::vector<const char*> input_names, output_names;
    std::vector<OrtTensor> owners;
    std::vector<const OrtValue*> values;
    owners.reserve(inputs.size() + wanted.size());
    for (const TensorInfo& info : info_.inputs) {
      const Tensor& tensor = inputs.at(info.name);
      OrtValue* value = nullptr;
      // The session reads its inputs only; the interface has no const address.
      runtime.check(runtime.api->CreateTensorWithDataAsOrtValue(
          memory.get(), const_cast<void*>(data_of(tensor)), bytes_of(tensor), tensor.shape.data(),
          tensor.shape.size(), element_type(tensor), &value));
      owners.emplace_back(value);
      values.push_back(value);
      input_names.push_back(info.name.c_str());
    }
    for (const std::string& name : wanted) output_names.push_back(name.c_str());
    std::vector<OrtValue*> results(wanted.size());
    OrtStatus* const status =
        runtime.api->Run(session_.get(), nullptr, input_names.data(), values.data(), values.size(),
                         output_names.data(), output_names.size(), results.data());
    for (OrtValue* const result : results) owners.emplace_back(result);
    runtime.check(status);
    Tensors outputs;
    for (std::size_t index = 0; index < wanted.size(); ++index) {
      outputs.emplace(wanted[index], copied(results[index], wanted[index]));
    }
    return outputs;
  }

  Tensor copied(OrtValue* value, const std::string& name) const {
    const OnnxRuntime& runtime = onnx_runtime();
    OrtTensorTypeAndShapeInfo* made = nullptr;
    runtime.check(runtime.api->GetTensorTypeAndShape(value, &made));
    const OrtTensorFacts facts(made);
    std::size_t axes = 0;
    runtime.check(runtime.api->GetDimensionsCount(made, &axes));
    Shape shape(axes);
    runtime.check(runtime.api->GetDimensions(made, shape.data(), axes));
    ONNXTensorElementDataType found = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    runtime.check(runtime.api->GetTensorElementType(made, &found));
    Tensor copy = make_tensor(output_info(info_, name).dtype, shape);
    if (element_type(copy) != found) {
      throw Error(GROUPVIT_ERROR_ENGINE,
                  "the engine gives " + name + " of another dtype than the manifest says",
                  "ONNX's element type " + std::to_string(static_cast<int>(found)), dtype_name(copy),
                  "export the bundle again");
    }
    void* data = nullptr;
    runtime.check(runtime.api->GetTensorMutableData(value, &data));
    if (bytes_of(copy) > 0) std::memcpy(data_of(copy), data, bytes_of(copy));
    return copy;
  }

  EngineInfo info_;
  std::string precision_;
  std::string provider_;
  OrtEnvironment environment_;
  OrtLoaded session_;
  Pool<Turn> turns_;
};

}  // namespace

std::unique_ptr<Engine> open_onnxruntime(EngineSource source, const EngineOptions& options) {
  source.verified();
  check_self_contained(*source.files.at(0));
  return std::make_unique<OnnxRuntimeEngine>(source.info, *source.files.at(0), options);
}

}  // namespace groupvit::detail
