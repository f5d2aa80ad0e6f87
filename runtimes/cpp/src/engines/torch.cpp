// libtorch: packages of AOTInductor (.pt2), on the CPU or through CUDA.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <sys/utsname.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/version.h>

#ifdef GROUPVIT_TORCH_CUDA
#include <cuda_runtime_api.h>
#endif

#include <algorithm>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>

#include "engines/package_facts.hpp"
#include "engines/support.hpp"
#include "engines/table.hpp"
#include "engines/unpacked_package.hpp"
#include "process.hpp"

namespace groupvit::detail {
namespace {

using Loader = torch::inductor::AOTIModelPackageLoader;

const char* const kModel = "model";
const char* const kMetadata = "groupvit";
// Shortest sentence that the toolkit lets AOTInductor compile for.
constexpr std::int64_t kShortest = 2;

// Loading two packages at once, PyTorch parses the metadata of both into one object
// (https://github.com/pytorch/pytorch/pull/194128).
std::mutex& loading() {
  static std::mutex mutex;
  return mutex;
}

std::string runtime() { return std::string("libtorch ") + TORCH_VERSION; }

std::unique_ptr<UnpackedPackage> unpacked(const EngineInfo& info, const Bytes& package) {
  try {
    return std::make_unique<UnpackedPackage>(package);
  } catch (const std::system_error& error) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine cannot be copied to where its runtime opens it", error.what(),
                "a folder for temporary files with space, in it nothing of another user's",
                "free some, or TMPDIR=FOLDER moves the temporary files");
  } catch (const std::exception& error) {
    throw load_failed(runtime(), info, error.what(), "export the bundle again");
  }
}

PackageFacts read_facts(const EngineInfo& info, const std::string& path) {
  std::unordered_map<std::string, std::string> metadata;
  try {
    const std::lock_guard<std::mutex> lock(loading());
    metadata = Loader::load_metadata_from_package(path, kModel);
  } catch (const std::exception& error) {
    throw load_failed(runtime(), info, error.what(), "export the bundle again");
  }
  const auto found = metadata.find(kMetadata);
  if (found == metadata.end()) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "the package does not say what it was compiled for", "",
                std::string("the metadata ") + kMetadata, "export the bundle again");
  }
  return parse_package_facts(found->second);
}

void check_version(const EngineInfo& info, const PackageFacts& facts) {
  const auto found = info.versions.find("torch");
  const std::string built = found == info.versions.end() ? std::string("unknown") : found->second;
  if (version_numbers(built, 2) != version_numbers(TORCH_VERSION, 2)) {
    throw Error(
        GROUPVIT_ERROR_ENGINE, "the engine was compiled by another PyTorch", runtime() + " here",
        "PyTorch " + built,
        "build this library against libtorch " + built + ", or build the engine anew: " + facts.rebuild);
  }
}

#ifdef GROUPVIT_TORCH_CUDA
std::string check_gpu(const PackageFacts& facts) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    cudaGetLastError();
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine was compiled for CUDA, and there is no GPU",
                runtime() + " sees none",
                "a GPU of compute capability " + facts.compute_capability.value_or("unknown"),
                "install the driver, or export for the CPU: groupvit export --target torch");
  }
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) {
    throw Error(GROUPVIT_ERROR_ENGINE, "CUDA could not describe the GPU");
  }
  const std::vector<long> built = version_numbers(facts.compute_capability.value_or(""), 2);
  const std::vector<long> here = {properties.major, properties.minor};
  // Machine code of a GPU runs on later ones of its generation.
  if (built.size() != 2 || built[0] != here[0] || built > here) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine was compiled for another kind of GPU",
                std::string(properties.name) + ", compute capability " + std::to_string(properties.major) +
                    "." + std::to_string(properties.minor),
                "compute capability " + facts.compute_capability.value_or("unknown"),
                "build it anew on this machine: " + facts.rebuild);
  }
  return properties.name;
}
#else
std::string check_gpu(const PackageFacts& facts) {
  throw Error(
      GROUPVIT_ERROR_ENGINE, "the engine was compiled for CUDA, and this libtorch has none", runtime(),
      "a GPU of compute capability " + facts.compute_capability.value_or("unknown"),
      "build this library against libtorch for CUDA, or export for the CPU: groupvit export --target torch");
}
#endif

// Gives the name of the device, for people.
std::string check_device(const PackageFacts& facts, const EngineOptions& options) {
  if (!options.device.empty() && options.device != facts.device) {
    throw Error(
        GROUPVIT_ERROR_ENGINE, "the engine was compiled for another device", options.device, facts.device,
        "leave the device away, or export for it: groupvit export --target torch --device " + options.device);
  }
  return facts.device == "cpu" ? "CPU" : check_gpu(facts);
}

// Before the code is loaded: a CPU that lacks an instruction ends the process.
void check_cpu(const PackageFacts& facts) {
  utsname machine{};
  uname(&machine);
  const auto capabilities = at::cpu::get_cpu_capabilities();
  std::string lacking;
  for (const std::string& feature : facts.cpu_features) {
    const auto found = capabilities.find(feature);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool()) continue;
    lacking += (lacking.empty() ? "" : ", ") + feature;
  }
  if (facts.machine == machine.machine && lacking.empty()) return;
  throw Error(GROUPVIT_ERROR_ENGINE, "the engine was compiled for another CPU",
              std::string(machine.machine) + (lacking.empty() ? "" : " without " + lacking), facts.machine,
              "build it anew on this machine: " + facts.rebuild +
                  "; or export for another target: groupvit export --target onnx");
}

// Products are left to PyTorch, which rounds them as the process says.
void check_rounding(const PackageFacts& facts) {
  if (at::globalContext().float32MatmulPrecision() != at::Float32MatmulPrecision::HIGHEST) {
    throw Error(GROUPVIT_ERROR_ENGINE,
                "libtorch may round the factors of float32 products here; tokens would change their group",
                "at::globalContext().float32MatmulPrecision() is not HIGHEST", "HIGHEST",
                "at::globalContext().setFloat32MatmulPrecision(\"highest\")");
  }
  if (facts.device == "cuda") at::globalContext().setAllowTF32CuDNN(false);
}

at::ScalarType scalar_type(const Tensor& tensor) {
  if (std::holds_alternative<std::vector<float>>(tensor.values)) return at::kFloat;
  if (std::holds_alternative<std::vector<std::int64_t>>(tensor.values)) return at::kLong;
  if (std::holds_alternative<std::vector<std::int32_t>>(tensor.values)) return at::kInt;
  return at::kByte;
}

// A package, shared by all threads, whose calls take turns: one runner, as in Python.
class TorchEngine final : public Engine {
 public:
  TorchEngine(const EngineInfo& info, const Bytes& package, const EngineOptions& options)
      : info_(info), threads_(options.threads) {
    // libtorch takes paths only, and what lies at the bundle's may change between two looks at it.
    unpacked_ = unpacked(info, package);
    const std::string path = unpacked_->path().string();
    facts_ = read_facts(info, path);
    check_version(info, facts_);
    description_ = runtime() + ", AOTInductor, " + check_device(facts_, options) + ", " + info.precision;
    check_cpu(facts_);
    check_rounding(facts_);
    try {
      const std::lock_guard<std::mutex> lock(loading());
      loader_ = std::make_unique<Loader>(path, kModel, false, 1, -1);
    } catch (const std::exception& error) {
      throw load_failed(runtime(), info, error.what(), "build it anew on this machine: " + facts_.rebuild);
    }
    // Kernels of a GPU are loaded when they are first needed.
    if (facts_.device == "cpu") unpacked_.reset();
  }

  std::string description() const override { return description_; }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs(runtime(), info_, inputs);
    check_sentences(inputs);
    for (const std::string& name : wanted) output_info(info_, name);
    std::vector<at::Tensor> values;
    try {
      for (const TensorInfo& info : info_.inputs) values.push_back(given(inputs.at(info.name)));
      const std::lock_guard<std::mutex> lock(running_);
      // One number for the whole process.
      if (threads_ > 0) at::set_num_threads(static_cast<int>(threads_));
      values = loader_->run(values);
    } catch (const std::exception& error) {
      throw run_failed(runtime(), info_, inputs, error.what());
    }
    if (values.size() != info_.outputs.size()) {
      throw run_failed(runtime(), info_, inputs, std::to_string(values.size()) + " outputs came back");
    }
    Tensors outputs;
    for (std::size_t index = 0; index < values.size(); ++index) {
      const TensorInfo& info = info_.outputs[index];
      if (std::find(wanted.begin(), wanted.end(), info.name) == wanted.end()) continue;
      outputs.emplace(info.name, copied(values[index], info));
    }
    return outputs;
  }

 private:
  // The compiled code believes what it is given, and reads beyond the end of what is too small.
  void check_sentences(const Tensors& inputs) const {
    if (!facts_.sentences) return;
    const PackageFacts::Sentences& limits = *facts_.sentences;
    for (const TensorInfo& info : info_.inputs) {
      const Tensor& tensor = inputs.at(info.name);
      for (std::size_t axis = 1; axis < info.shape.size(); ++axis) {
        if (info.shape[axis] >= 0 ||
            (tensor.shape[axis] >= kShortest && tensor.shape[axis] <= limits.longest))
          continue;
        throw run_failed(runtime(), info_, inputs,
                         info.name + " must have sentences of " + std::to_string(kShortest) + " to " +
                             std::to_string(limits.longest) + " tokens");
      }
      if (!std::holds_alternative<std::vector<std::int64_t>>(tensor.values)) continue;
      for (const std::int64_t id : tensor.as<std::int64_t>()) {
        if (id < 0 || id >= limits.token_ids) {
          throw run_failed(runtime(), info_, inputs,
                           info.name + " has the token id " + std::to_string(id) + ", which is not below " +
                               std::to_string(limits.token_ids));
        }
      }
    }
  }

  at::Tensor given(const Tensor& tensor) const {
    // The package writes to no input; the interface has no const address.
    const at::Tensor view = at::from_blob(const_cast<void*>(data_of(tensor)), tensor.shape,
                                          at::TensorOptions(scalar_type(tensor)));
    return facts_.device == "cpu" ? view : view.to(at::kCUDA);
  }

  static Tensor copied(const at::Tensor& value, const TensorInfo& info) {
    const at::Tensor host = value.to(at::kCPU).contiguous();
    Tensor copy = make_tensor(info.dtype, host.sizes().vec());
    if (scalar_type(copy) != host.scalar_type()) {
      throw Error(GROUPVIT_ERROR_ENGINE,
                  "the engine gives " + info.name + " of another dtype than the manifest says",
                  c10::toString(host.scalar_type()), info.dtype, "export the bundle again");
    }
    if (bytes_of(copy) > 0) std::memcpy(data_of(copy), host.const_data_ptr(), bytes_of(copy));
    return copy;
  }

  EngineInfo info_;
  std::int64_t threads_;
  std::unique_ptr<UnpackedPackage> unpacked_;
  PackageFacts facts_;
  std::string description_;
  std::unique_ptr<Loader> loader_;
  std::mutex running_;
};

}  // namespace

std::unique_ptr<Engine> open_torch(EngineSource source, const EngineOptions& options) {
  // Its runtime does not work in a child of a process that has used it.
  static const OwningProcess first;
  first.check("an engine of the target torch was loaded before this process was forked");
  source.verified();
  return std::make_unique<TorchEngine>(source.info, *source.files.at(0), options);
}

}  // namespace groupvit::detail
