// OpenVINO on the CPU.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <openvino/openvino.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

#include "engines/pool.hpp"
#include "engines/support.hpp"
#include "engines/table.hpp"

namespace groupvit::detail {
namespace {

std::string runtime_version() {
  const std::string build = ov::get_openvino_version().buildNumber;
  return build.substr(0, build.find('-'));
}

// Of int8, what is not quantized in the file is float32.
ov::element::Type precision_hint(const std::string& precision) {
  if (precision == "fp32" || precision == "int8") return ov::element::f32;
  if (precision == "bf16") return ov::element::bf16;
  throw Error(GROUPVIT_ERROR_ENGINE, "this library has no OpenVINO setting for the engine's precision",
              precision, "fp32, bf16 or int8");
}

// IR is read by the version that wrote it and by newer ones; older ones may misread it.
void check_version(const EngineInfo& info) {
  const auto found = info.versions.find("openvino");
  const std::string built = found == info.versions.end() ? std::string() : found->second;
  if (version_numbers(built, 2) > version_numbers(runtime_version(), 2)) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine was built by a newer OpenVINO than this one",
                "OpenVINO " + runtime_version() + " here", "OpenVINO " + built + " or newer",
                "build this library against OpenVINO " + built +
                    ", or export the bundle again with the version you have");
  }
}

ov::element::Type element_type(const Tensor& tensor) {
  return std::visit(
      [](const auto& values) {
        return ov::element::from<typename std::decay_t<decltype(values)>::value_type>();
      },
      tensor.values);
}

// Read while the weights are hashed, and compiled only afterwards: OpenVINO does not survive the compilation of
// every shape that damaged weights may name.
std::shared_ptr<ov::Model> read_graph(ov::Core& core, const EngineSource& source) {
  std::shared_ptr<ov::Model> model;
  try {
    Bytes& weights = *source.files.at(1);
    const ov::Tensor tensor(ov::element::u8, ov::Shape{weights.size()}, weights.data());
    model = core.read_model(std::string(source.files.at(0)->text()), tensor);
  } catch (const std::exception&) {
    source.verified();  // a changed file is the better explanation
    throw;
  }
  source.verified();
  return model;
}

std::string dtype_of(const ov::element::Type& type) {
  if (type == ov::element::f32) return "float32";
  if (type == ov::element::i64) return "int64";
  if (type == ov::element::i32) return "int32";
  if (type == ov::element::u8) return "uint8";
  return type.get_type_name();
}

// What the ports are, by the names that are recorded: a port may have several, and then one is enough.
std::vector<TensorInfo> tensors_of(const std::vector<ov::Output<const ov::Node>>& ports,
                                   const std::vector<TensorInfo>& recorded) {
  std::vector<TensorInfo> tensors;
  for (const auto& port : ports) {
    Shape shape;
    if (port.get_partial_shape().rank().is_static()) {
      for (const ov::Dimension& side : port.get_partial_shape()) {
        shape.push_back(side.is_dynamic() ? -1 : side.get_length());
      }
    }
    const std::size_t before = tensors.size();
    for (const TensorInfo& tensor : recorded) {
      if (port.get_names().count(tensor.name) != 0) {
        tensors.push_back({tensor.name, dtype_of(port.get_element_type()), shape});
      }
    }
    if (tensors.size() > before) continue;
    const std::string name = port.get_names().empty() ? "an unnamed tensor" : port.get_any_name();
    tensors.push_back({name, dtype_of(port.get_element_type()), shape});
  }
  return tensors;
}

// The shape of one image, where the batch is all that the model leaves open.
std::optional<ov::Shape> single_shape(const ov::Model& model) {
  if (model.inputs().size() != 1) return std::nullopt;
  ov::PartialShape shape = model.input().get_partial_shape();
  if (shape.rank().is_dynamic() || shape.size() == 0 || shape[0].is_static()) return std::nullopt;
  shape[0] = 1;
  if (shape.is_dynamic()) return std::nullopt;
  return shape.to_shape();
}

// A compiled model with a pool of infer requests, as many as there are streams: more would only wait in OpenVINO, each
// with memory for its own activations.
//
// An image engine has two, each compiled when it is first needed but the first: one of a static shape for a single
// image, which OpenVINO plans once rather than at every call, and one for all other batches, which gain nothing by
// that. Which of them computes depends on the shape alone, as in groupvit_runtime.engines.openvino.
class OpenVINOEngine final : public Engine {
 public:
  OpenVINOEngine(const EngineSource& source, const EngineOptions& options)
      : info_(source.info), weights_(source.files.at(1)) {
    const EngineInfo& info = info_;
    const ov::element::Type hint = precision_hint(info.precision);
    check_version(info);
    properties_ = {
        // Left alone, OpenVINO computes in bf16 where the CPU has it, and hundreds of tokens change group.
        ov::hint::inference_precision(hint),
        ov::hint::performance_mode(options.throughput ? ov::hint::PerformanceMode::THROUGHPUT
                                                      : ov::hint::PerformanceMode::LATENCY),
    };
    if (options.streams > 0) properties_.insert(ov::num_streams(static_cast<int>(options.streams)));
    if (options.threads > 0) properties_.insert(ov::inference_num_threads(static_cast<int>(options.threads)));
    ov::element::Type active;
    std::string cpu;
    std::int32_t streams = 1;
    try {
      model_ = read_graph(core_, source);
      single_ = single_shape(*model_);
      const ov::CompiledModel& first = compiled(single_.has_value());
      check_interface(runtime(), info, tensors_of(std::as_const(*model_).inputs(), info.inputs),
                      tensors_of(std::as_const(*model_).outputs(), info.outputs));
      active = first.get_property(ov::hint::inference_precision);
      streams = first.get_property(ov::num_streams);
      requests_.emplace(static_cast<std::size_t>(std::max(streams, 1)));
      cpu = core_.get_property("CPU", ov::device::full_name);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw load_failed(runtime(), info, error.what(), "export the bundle again on this machine");
    }
    if (active != hint) {
      throw Error(GROUPVIT_ERROR_ENGINE, "OpenVINO runs in another precision than was asked for",
                  active.get_type_name() + " on " + cpu, hint.get_type_name(),
                  "run it on a CPU that has this precision, or export with --precision fp32");
    }
    description_ = runtime() + ", CPU, " + (info.precision == "int8" ? "int8 and " : "") +
                   active.get_type_name() + (streams > 1 ? ", " + std::to_string(streams) + " streams" : "");
  }

  std::string description() const override { return description_; }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs(runtime(), info_, inputs);
    for (const std::string& name : wanted) output_info(info_, name);
    try {
      const bool is_single = is_one_image(inputs);
      return requests_->use([] { return Requests(); },
                            [&](Requests& requests, bool) {
                              std::optional<ov::InferRequest>& request = requests[is_single ? 1 : 0];
                              if (!request) request = compiled(is_single).create_infer_request();
                              infer(*request, inputs);
                              Tensors outputs;
                              for (const std::string& name : wanted) {
                                outputs.emplace(name, copied(request->get_tensor(name), name));
                              }
                              return outputs;
                            });
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      throw run_failed(runtime(), info_, inputs, error.what());
    }
  }

 private:
  // Of one call at a time: for all batches, and for a single image.
  using Requests = std::array<std::optional<ov::InferRequest>, 2>;

  bool is_one_image(const Tensors& inputs) const {
    if (!single_ || inputs.size() != 1) return false;
    const Shape& shape = inputs.begin()->second.shape;
    return std::equal(shape.begin(), shape.end(), single_->begin(), single_->end(), [](std::int64_t given, std::size_t own) {
      return given == static_cast<std::int64_t>(own);
    });
  }

  ov::CompiledModel& compiled(bool is_single) {
    const std::lock_guard<std::mutex> lock(compiling_);
    std::optional<ov::CompiledModel>& found = compiled_[is_single ? 1 : 0];
    if (!found) {
      std::shared_ptr<ov::Model> model = model_;
      if (is_single) {
        model = model->clone();
        model->reshape(ov::PartialShape(*single_));
      }
      found = core_.compile_model(model, "CPU", properties_);
    }
    return *found;
  }

  static std::string runtime() { return "OpenVINO " + runtime_version(); }

  void infer(ov::InferRequest& request, const Tensors& inputs) const {
    for (const TensorInfo& info : info_.inputs) {
      const Tensor& tensor = inputs.at(info.name);
      // OpenVINO reads its inputs only; the interface has no const address.
      request.set_tensor(info.name,
                         ov::Tensor(element_type(tensor), ov::Shape(tensor.shape.begin(), tensor.shape.end()),
                                    const_cast<void*>(data_of(tensor))));
    }
    request.infer();
  }

  // Copied: the tensor belongs to the request, which the next call overwrites.
  Tensor copied(const ov::Tensor& tensor, const std::string& name) const {
    const ov::Shape& shape = tensor.get_shape();
    Tensor copy = make_tensor(output_info(info_, name).dtype, Shape(shape.begin(), shape.end()));
    if (element_type(copy) != tensor.get_element_type()) {
      throw Error(GROUPVIT_ERROR_ENGINE,
                  "the engine gives " + name + " of another dtype than the manifest says",
                  tensor.get_element_type().get_type_name(), dtype_name(copy), "export the bundle again");
    }
    std::memcpy(data_of(copy), std::as_const(tensor).data(), bytes_of(copy));
    return copy;
  }

  EngineInfo info_;
  // OpenVINO would map the file, which may change; it reads weights as long as it lives.
  std::shared_ptr<const Bytes> weights_;
  std::string description_;
  ov::AnyMap properties_;
  ov::Core core_;
  std::shared_ptr<ov::Model> model_;
  std::optional<ov::Shape> single_;
  std::mutex compiling_;
  std::array<std::optional<ov::CompiledModel>, 2> compiled_;
  std::optional<Pool<Requests>> requests_;
};

}  // namespace

std::unique_ptr<Engine> open_openvino(EngineSource source, const EngineOptions& options) {
  return std::make_unique<OpenVINOEngine>(source, options);
}

}  // namespace groupvit::detail
