// ONNX Runtime, on the CPU or through CUDA.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstring>
#include <utility>

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
  if (precision == "fp16") return "fp16 weights, computed in float32";
  throw Error(GROUPVIT_ERROR_ENGINE, "ONNX Runtime cannot compute in " + precision + " on a CPU",
              "device cpu", "device cuda, or an engine in fp32, fp16 or int8",
              "device cuda, or groupvit export --target openvino --precision bf16");
}

// Nothing is printed; what goes wrong comes back as a status, too.
void ignore_log(void*, OrtLoggingLevel, const char*, const char*, const char*, const char*) {}

std::string runtime_version() { return OrtGetApiBase()->GetVersionString(); }

// ONNX Runtime has one environment a process and counts its users.
Ort::Env make_environment() {
  // The library that is loaded may be older than the header; then there is no interface of this version.
  if (OrtGetApiBase()->GetApi(ORT_API_VERSION) == nullptr) {
    throw Error(GROUPVIT_ERROR_ENGINE,
                "the ONNX Runtime that was loaded is older than the one this was built against",
                "ONNX Runtime " + runtime_version(),
                "interface " + std::to_string(ORT_API_VERSION) + " or newer",
                "install the version it was built against, or build this library again");
  }
  const TelemetryOff off;
  return Ort::Env(ORT_LOGGING_LEVEL_ERROR, "groupvit", ignore_log, nullptr);
}

void check_provider(const std::string& provider) {
  const std::vector<std::string> available = Ort::GetAvailableProviders();
  if (std::find(available.begin(), available.end(), provider) != available.end()) return;
  std::string names;
  for (const std::string& name : available) names += (names.empty() ? "" : ", ") + name;
  throw Error(GROUPVIT_ERROR_ENGINE,
              "ONNX Runtime has no such execution provider here; it would have fallen back silently", names,
              provider, "install ONNX Runtime for GPUs (and its CUDA libraries), or use the device cpu");
}

void append_cuda(Ort::SessionOptions& options) {
  OrtCUDAProviderOptionsV2* cuda = nullptr;
  Ort::ThrowOnError(Ort::GetApi().CreateCUDAProviderOptions(&cuda));
  const std::unique_ptr<OrtCUDAProviderOptionsV2, decltype(OrtApi::ReleaseCUDAProviderOptions)> owner(
      cuda, Ort::GetApi().ReleaseCUDAProviderOptions);
  // TF32 keeps 10 bits of mantissa; assignments with a small margin would flip.
  const char* const keys[] = {"use_tf32"};
  const char* const values[] = {"0"};
  Ort::ThrowOnError(Ort::GetApi().UpdateCUDAProviderOptions(cuda, keys, values, 1));
  // Throws where the provider cannot be had: unlike Python's, this interface does not fall back.
  options.AppendExecutionProvider_CUDA_V2(*cuda);
}

ONNXTensorElementDataType element_type(const Tensor& tensor) {
  if (std::holds_alternative<std::vector<float>>(tensor.values)) return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  if (std::holds_alternative<std::vector<std::int64_t>>(tensor.values))
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
  if (std::holds_alternative<std::vector<std::int32_t>>(tensor.values))
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
}

// A session; `Run` is safe between threads, so one is shared by all.
class OnnxRuntimeEngine final : public Engine {
 public:
  OnnxRuntimeEngine(const EngineInfo& info, const std::filesystem::path& root, const EngineOptions& options)
      : info_(info),
        precision_(precision_on(options.device, info.precision)),
        provider_(provider_of(options.device)),
        environment_(make_environment()),
        session_(nullptr) {
    check_provider(provider_);
    try {
      Ort::SessionOptions session;
      session.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
      if (options.threads > 0) session.SetIntraOpNumThreads(static_cast<int>(options.threads));
      // Without VNNI its products of unsigned and signed bytes saturate in 16 bits. Takes weights as unsigned there,
      // whose products do not; changes nothing elsewhere.
      if (info.precision == "int8") session.AddConfigEntry("session.x64quantprecision", "1");
      if (options.device == "cuda") append_cuda(session);
      const std::filesystem::path path = root / info.files.front().path;
      session_ = Ort::Session(environment_, path.c_str(), session);
    } catch (const Ort::Exception& error) {
      const auto built = info.versions.find("onnxruntime");
      throw load_failed(runtime(), info, error.what(),
                        "build this library against ONNX Runtime " +
                            (built == info.versions.end() ? runtime_version() : built->second) +
                            " or newer, or export the bundle again");
    }
  }

  std::string description() const override { return runtime() + ", " + provider_ + ", " + precision_; }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs(runtime(), info_, inputs);
    for (const std::string& name : wanted) output_info(info_, name);
    try {
      return run_checked(inputs, wanted);
    } catch (const Ort::Exception& error) {
      throw run_failed(runtime(), info_, inputs, error.what());
    }
  }

 private:
  static std::string runtime() { return "ONNX Runtime " + runtime_version(); }

  Tensors run_checked(const Tensors& inputs, const std::vector<std::string>& wanted) {
    // Memory of the host: for CUDA the session copies by itself.
    const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<const char*> input_names, output_names;
    std::vector<Ort::Value> values;
    for (const TensorInfo& info : info_.inputs) {
      const Tensor& tensor = inputs.at(info.name);
      input_names.push_back(info.name.c_str());
      // The session reads its inputs only; the interface has no const address.
      values.push_back(Ort::Value::CreateTensor(memory, const_cast<void*>(data_of(tensor)), bytes_of(tensor),
                                                tensor.shape.data(), tensor.shape.size(),
                                                element_type(tensor)));
    }
    for (const std::string& name : wanted) output_names.push_back(name.c_str());
    const std::vector<Ort::Value> results =
        session_.Run(Ort::RunOptions{nullptr}, input_names.data(), values.data(), values.size(),
                     output_names.data(), output_names.size());
    Tensors outputs;
    for (std::size_t index = 0; index < wanted.size(); ++index) {
      outputs.emplace(wanted[index], copied(results[index], wanted[index]));
    }
    return outputs;
  }

  Tensor copied(const Ort::Value& value, const std::string& name) const {
    const Ort::TensorTypeAndShapeInfo found = value.GetTensorTypeAndShapeInfo();
    Tensor copy = make_tensor(output_info(info_, name).dtype, found.GetShape());
    if (element_type(copy) != found.GetElementType()) {
      throw Error(GROUPVIT_ERROR_ENGINE,
                  "the engine gives " + name + " of another dtype than the manifest says",
                  "ONNX's element type " + std::to_string(static_cast<int>(found.GetElementType())),
                  dtype_name(copy), "export the bundle again");
    }
    if (bytes_of(copy) > 0) std::memcpy(data_of(copy), value.GetTensorRawData(), bytes_of(copy));
    return copy;
  }

  EngineInfo info_;
  std::string precision_;
  std::string provider_;
  Ort::Env environment_;
  Ort::Session session_;
};

}  // namespace

std::unique_ptr<Engine> open_onnxruntime(const EngineInfo& info, const std::filesystem::path& root,
                                         const EngineOptions& options, const Verified& verified) {
  verified();
  return std::make_unique<OnnxRuntimeEngine>(info, root, options);
}

}  // namespace groupvit::detail
