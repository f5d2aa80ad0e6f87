// TensorRT and TensorRT-RTX, which have one interface and different libraries; this file is compiled against one
// of them, TensorRT-RTX where GROUPVIT_TENSORRT_RTX is defined.
#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "engines/cuda_memory.hpp"
#include "engines/graph_file.hpp"
#include "engines/pool.hpp"
#include "engines/support.hpp"
#include "engines/table.hpp"
#include "engines/tensorrt_checks.hpp"
#include "process.hpp"
#ifdef GROUPVIT_TENSORRT_RTX
#include "engines/runtime_cache.hpp"
#endif

namespace groupvit::detail {
namespace {

#ifdef GROUPVIT_TENSORRT_RTX
const char* const kFlavor = "rtx";
#else
const char* const kFlavor = "tensorrt";
#endif

// Prints nothing; `take` gives the errors since it was last asked, as a line. One for the process: while any object
// of TensorRT lives, a second logger is ignored.
class Logger final : public nvinfer1::ILogger {
 public:
  static Logger& instance() {
    static Logger logger;
    return logger;
  }

  void log(Severity severity, const char* message) noexcept override {
    if (severity > Severity::kERROR) return;
    try {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.emplace_back(message);
      if (lines_.size() > kRemembered) lines_.pop_front();
    } catch (...) {
      // There is no memory for the message, and nothing may be thrown through TensorRT.
    }
  }

  std::string take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string text;
    for (const std::string& line : lines_) {
      if (text.find(line) == std::string::npos) text += (text.empty() ? "" : "; ") + line;
    }
    lines_.clear();
    return text.empty() ? "no reason given" : one_line(text);
  }

 private:
  static constexpr std::size_t kRemembered = 20;
  std::mutex mutex_;
  std::deque<std::string> lines_;
};

std::string library_version() {
  return std::to_string(getInferLibMajorVersion()) + "." + std::to_string(getInferLibMinorVersion()) + "." +
         std::to_string(getInferLibPatchVersion()) + "." + std::to_string(getInferLibBuildVersion());
}

nvinfer1::Dims dims_of(const Shape& shape) {
  nvinfer1::Dims dims{};
  if (shape.size() > static_cast<std::size_t>(nvinfer1::Dims::MAX_DIMS)) {
    throw Error(GROUPVIT_ERROR_ENGINE, "a tensor has more dimensions than TensorRT takes", to_text(shape));
  }
  dims.nbDims = static_cast<std::int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), dims.d);
  return dims;
}

Shape shape_of(const nvinfer1::Dims& dims) { return Shape(dims.d, dims.d + std::max(dims.nbDims, 0)); }

std::string dtype_of(nvinfer1::DataType type) {
  switch (type) {
    case nvinfer1::DataType::kFLOAT:
      return "float32";
    case nvinfer1::DataType::kINT64:
      return "int64";
    case nvinfer1::DataType::kINT32:
      return "int32";
    case nvinfer1::DataType::kUINT8:
      return "uint8";
    default:
      return "TensorRT's type " + std::to_string(static_cast<int>(type));
  }
}

// One execution context with the memory it works in; one call at a time, on a stream of its own.
class Context {
 public:
  Context(nvinfer1::IExecutionContext* raw, const EngineInfo& info) : info_(info), raw_(raw) {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "create a stream");
    // Contexts after the first may be created without a profile.
    if (raw_->getOptimizationProfile() != 0 && !raw_->setOptimizationProfileAsync(0, stream_)) {
      cudaStreamDestroy(stream_);
      throw refused("refused its own profile");
    }
  }
  ~Context() {
    raw_.reset();
    cudaStreamDestroy(stream_);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) {
    for (const TensorInfo& tensor : info_.inputs) {
      const Tensor& input = inputs.at(tensor.name);
      if (!raw_->setInputShape(tensor.name.c_str(), dims_of(input.shape))) {
        throw refused("refused the shape " + to_text(input.shape) + " of " + tensor.name);
      }
      void* host = place(tensor.name, bytes_of(input)).host();
      std::memcpy(host, data_of(input), bytes_of(input));
    }
    Tensors outputs;
    for (const TensorInfo& tensor : info_.outputs) {
      const Shape shape = shape_of(raw_->getTensorShape(tensor.name.c_str()));
      Tensor output = make_tensor(tensor.dtype, shape);
      place(tensor.name, bytes_of(output));
      if (std::find(wanted.begin(), wanted.end(), tensor.name) != wanted.end()) {
        outputs.emplace(tensor.name, std::move(output));
      }
    }
    for (const TensorInfo& tensor : info_.inputs) {
      const DeviceBuffer& buffer = buffers_[tensor.name];
      check_cuda(cudaMemcpyAsync(buffer.device(), buffer.host(), bytes_of(inputs.at(tensor.name)),
                                 cudaMemcpyHostToDevice, stream_),
                 "copy to the device");
    }
    if (!raw_->enqueueV3(stream_)) {
      // What was queued before still reads the buffers.
      cudaStreamSynchronize(stream_);
      throw refused("could not execute the engine");
    }
    for (const auto& [name, output] : outputs) {
      const DeviceBuffer& buffer = buffers_[name];
      check_cuda(
          cudaMemcpyAsync(buffer.host(), buffer.device(), bytes_of(output), cudaMemcpyDeviceToHost, stream_),
          "copy from the device");
    }
    check_cuda(cudaStreamSynchronize(stream_), "execute the engine");
    for (auto& [name, output] : outputs) {
      if (bytes_of(output) > 0) std::memcpy(data_of(output), buffers_[name].host(), bytes_of(output));
    }
    return outputs;
  }

 private:
  DeviceBuffer& place(const std::string& name, std::size_t bytes) {
    DeviceBuffer& buffer = buffers_[name];
    if (buffer.reserve(bytes) && !raw_->setTensorAddress(name.c_str(), buffer.device())) {
      throw refused("refused the memory of " + name);
    }
    return buffer;
  }

  static Error refused(const std::string& what) {
    return Error(GROUPVIT_ERROR_ENGINE, flavor_title(kFlavor) + " " + what, Logger::instance().take());
  }

  const EngineInfo& info_;
  std::unique_ptr<nvinfer1::IExecutionContext> raw_;
  std::map<std::string, DeviceBuffer> buffers_;
  cudaStream_t stream_ = nullptr;
};

// A deserialized plan with a pool of execution contexts, one for each call that runs.
class TensorRTEngine final : public Engine {
 public:
  explicit TensorRTEngine(const EngineSource& source)
      : info_(source.info), facts_(facts_of(source.info)), device_(find_device()) {
    check_bound_to(facts_, kFlavor, library_version(), device_.compute_capability, device_.name);
    const Bytes& plan = *source.files.at(0);
    runtime_.reset(nvinfer1::createInferRuntime(Logger::instance()));
    if (runtime_ == nullptr) throw refused("could not be started");
    // A version-compatible plan brings the runtime that executes it.
    runtime_->setEngineHostCodeAllowed(facts_.version_compatible);
    check_validity(plan);
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    if (engine_ == nullptr) throw refused("could not deserialize the engine");
    if (facts_.stripped) refit(source.root);
    check_tensors();
#ifdef GROUPVIT_TENSORRT_RTX
    configure();
#endif
    contexts_.use([&] { return make_context(); }, [](std::unique_ptr<Context>&, bool) { return true; });
  }

  std::string description() const override {
    std::string text = flavor_title(kFlavor) + " " + library_version() + ", " + device_.name +
                       " (compute capability " + device_.compute_capability + "), " + info_.precision +
                       (facts_.tf32 ? " with tf32" : "");
#ifdef GROUPVIT_TENSORRT_RTX
    text += cache_warm_ ? ", runtime cache warm" : ", runtime cache cold";
#endif
    return text;
  }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs(flavor_title(kFlavor), info_, inputs);
    for (const std::string& name : wanted) output_info(info_, name);
    const std::int64_t given = inputs.at(facts_.profiles.front().name).shape.front();
    const Tensors filled = filled_up(facts_, inputs);
    check_profiles(facts_, filled);
    Tensors outputs =
        contexts_.use([&] { return make_context(); },
                      [&](std::unique_ptr<Context>& context, bool) { return context->run(filled, wanted); });
#ifdef GROUPVIT_TENSORRT_RTX
    keep_kernels(filled);
#endif
    for (auto& [name, output] : outputs) output = first_of(std::move(output), given);
    return outputs;
  }

 private:
  static const TensorRTInfo& facts_of(const EngineInfo& info) {
    if (info.tensorrt && !info.tensorrt->profiles.empty()) return *info.tensorrt;
    throw Error(GROUPVIT_ERROR_BUNDLE, "the manifest does not say what the TensorRT engine is bound to",
                "no field `tensorrt`", "flavor, version, profiles", "export the bundle again");
  }

  Error refused(const std::string& what) const {
    const std::string title = flavor_title(kFlavor);
    return Error(GROUPVIT_ERROR_ENGINE, title + " " + library_version() + " " + what,
                 Logger::instance().take(), "a plan of " + title + " " + facts_.version + " for this GPU",
                 "build it anew on this machine: " + facts_.rebuild);
  }

  // TensorRT-RTX can be asked whether a plan runs here, and why not.
  void check_validity(const Bytes& plan) const {
#ifdef GROUPVIT_TENSORRT_RTX
    std::uint64_t diagnostics = 0;
    const nvinfer1::EngineValidity validity =
        runtime_->getEngineValidity(plan.data(), static_cast<std::int64_t>(plan.size()), &diagnostics);
    if (validity == nvinfer1::EngineValidity::kINVALID) {
      throw Error(
          GROUPVIT_ERROR_ENGINE, flavor_title(kFlavor) + " says that the engine does not run here",
          "EngineInvalidityDiagnostics " + std::to_string(diagnostics) + "; " + Logger::instance().take(),
          "a plan of " + flavor_title(kFlavor) + " " + facts_.version,
          "build it anew on this machine: " + facts_.rebuild);
    }
#else
    static_cast<void>(plan);
#endif
  }

  // Puts the weights of the graph into a stripped plan.
  void refit(const std::filesystem::path& root) {
    if (!info_.source) {
      throw Error(GROUPVIT_ERROR_BUNDLE,
                  "the plan has no weights, and the bundle lacks the graph that has them", "",
                  "the ONNX file that it was built from", "build it anew: " + facts_.rebuild);
    }
    const Bytes graph = info_.source->read(root);
    check_self_contained(graph);
    const std::unique_ptr<nvinfer1::IRefitter> refitter(
        nvinfer1::createInferRefitter(*engine_, Logger::instance()));
    if (refitter == nullptr) throw refused("could not put the weights into the stripped engine");
    const std::unique_ptr<nvonnxparser::IParserRefitter> parser(
        nvonnxparser::createParserRefitter(*refitter, Logger::instance()));
    if (parser == nullptr || !parser->refitFromBytes(graph.data(), graph.size()) || !refitter->refitCudaEngine()) {
      throw refused("could not put the weights into the stripped engine");
    }
  }

  // Compares names and dtypes of the engine's tensors with the manifest.
  void check_tensors() const {
    std::map<std::string, std::string> found, recorded;
    for (std::int32_t index = 0; index < engine_->getNbIOTensors(); ++index) {
      const char* const name = engine_->getIOTensorName(index);
      found[name] = dtype_of(engine_->getTensorDataType(name));
    }
    for (const TensorInfo& tensor : info_.inputs) recorded[tensor.name] = tensor.dtype;
    for (const TensorInfo& tensor : info_.outputs) recorded[tensor.name] = tensor.dtype;
    if (found == recorded) return;
    const auto words = [](const std::map<std::string, std::string>& tensors) {
      std::string text;
      for (const auto& [name, dtype] : tensors) text += (text.empty() ? "" : ", ") + name + " " + dtype;
      return text;
    };
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine has other tensors than the manifest says", words(found),
                words(recorded), "copy or export the bundle again");
  }

  std::unique_ptr<Context> make_context() {
#ifdef GROUPVIT_TENSORRT_RTX
    nvinfer1::IExecutionContext* const raw = engine_->createExecutionContext(config_.get());
#else
    nvinfer1::IExecutionContext* const raw = engine_->createExecutionContext();
#endif
    if (raw == nullptr) throw refused("could not make a context; there may not be enough memory on the GPU");
    return std::make_unique<Context>(raw, info_);
  }

#ifdef GROUPVIT_TENSORRT_RTX
  void configure() {
    config_.reset(engine_->createRuntimeConfig());
    if (config_ == nullptr) throw refused("could not be configured");
    config_->setCudaGraphStrategy(nvinfer1::CudaGraphStrategy::kWHOLE_GRAPH_CAPTURE);
    // Left to itself it changes kernels behind the first calls, and the same image would not give the same bits.
    // Images come in few shapes, sentences in any length.
    config_->setDynamicShapesKernelSpecializationStrategy(
        info_.role == "image" ? nvinfer1::DynamicShapesKernelSpecializationStrategy::kEAGER
                              : nvinfer1::DynamicShapesKernelSpecializationStrategy::kNONE);
    cache_.reset(config_->createRuntimeCache());
    if (cache_ == nullptr) throw refused("could not make its cache of kernels");
    cache_path_ = runtime_cache_path(info_.files.front().sha256, facts_.version, device_.compute_capability);
    const std::vector<char> kept = read_runtime_cache(cache_path_);
    // It refuses what another driver or version compiled; then everything is compiled anew.
    cache_warm_ = !kept.empty() && cache_->deserialize(kept.data(), kept.size());
    if (!config_->setRuntimeCache(*cache_)) throw refused("refused its cache of kernels");
  }

  // Saves the cache after shapes that are new: kernels are compiled for these only.
  void keep_kernels(const Tensors& inputs) {
    std::vector<Shape> shapes;
    for (const ProfileInfo& profile : facts_.profiles) shapes.push_back(inputs.at(profile.name).shape);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (std::find(seen_.begin(), seen_.end(), shapes) != seen_.end()) return;
    seen_.push_back(std::move(shapes));
    const std::unique_ptr<nvinfer1::IHostMemory> data(cache_->serialize());
    if (data != nullptr) write_runtime_cache(cache_path_, data->data(), data->size());
  }
#endif

  EngineInfo info_;
  TensorRTInfo facts_;
  DeviceInfo device_;
  // In the order they are made; contexts go before the engine, and that before the runtime.
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
#ifdef GROUPVIT_TENSORRT_RTX
  std::unique_ptr<nvinfer1::IRuntimeCache> cache_;
  std::unique_ptr<nvinfer1::IRuntimeConfig> config_;
  std::filesystem::path cache_path_;
  bool cache_warm_ = false;
  std::mutex mutex_;
  std::vector<std::vector<Shape>> seen_;
#endif
  Pool<std::unique_ptr<Context>> contexts_{calls_at_once()};
};

}  // namespace

std::unique_ptr<Engine> open_tensorrt(EngineSource source, const EngineOptions&) {
  // Its runtime does not work in a child of a process that has used it.
  static const OwningProcess first;
  first.check("an engine of the target trt was loaded before this process was forked");
  source.verified();
  return std::make_unique<TensorRTEngine>(source);
}

}  // namespace groupvit::detail
