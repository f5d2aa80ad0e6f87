// LiteRT, TensorFlow Lite until 2024, on the CPU by XNNPACK.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "engines/litert_api.hpp"
#include "engines/litert_log.hpp"
#include "engines/support.hpp"
#include "engines/table.hpp"
#include "processors.hpp"

namespace groupvit::detail {
namespace {

const char* const kRuntime = "LiteRT";
const char* const kSignature = "serving_default";  // of a file's entry points, the one that is run
const char* const kTextInput = "input_ids";
// XNNPACK reads that many bytes beyond a tensor, at most.
constexpr std::size_t kBeyond = 64;

std::string precision_of(const std::string& precision) {
  if (precision == "fp32") return precision;
  if (precision == "w16") return "fp16 weights, computed in float32";
  if (precision == "int8") return "int8 weights, activations quantized as they come";
  throw Error(GROUPVIT_ERROR_ENGINE, "this library does not know what LiteRT makes of the engine's precision",
              precision, "fp32, w16 or int8");
}

std::string dtype_of(std::int32_t element) {
  switch (element) {
    case litert::kFloat32:
      return "float32";
    case litert::kInt64:
      return "int64";
    case litert::kInt32:
      return "int32";
    case litert::kUInt8:
      return "uint8";
    default:
      return "LiteRT's type " + std::to_string(element);
  }
}

// A tensor of the file, and the memory that the compiled model reads it from or writes it to.
struct Slot {
  TensorInfo info;
  litert::TensorType type;
  std::unique_ptr<Bytes> memory;
  litert::BufferOwner buffer;
};

using Count = litert::Status (*litert::Api::*)(litert::Signature*, std::size_t*);
using Name = litert::Status (*litert::Api::*)(litert::Signature*, std::size_t, const char**);
using ByIndex = litert::Status (*litert::Api::*)(litert::Signature*, std::size_t, litert::Tensor**);

// What a signature says of its inputs or outputs, by the functions that ask for one or the other.
std::vector<Slot> slots_of(litert::Signature* signature, Count count_of, Name name_of, ByIndex tensor_of) {
  const litert::Api& api = litert::api();
  std::size_t count = 0;
  litert::check((api.*count_of)(signature, &count), "counting tensors");
  std::vector<Slot> slots(count);
  for (std::size_t index = 0; index < count; ++index) {
    Slot& slot = slots[index];
    const char* name = nullptr;
    litert::check((api.*name_of)(signature, index, &name), "naming a tensor");
    litert::Tensor* tensor = nullptr;
    litert::check((api.*tensor_of)(signature, index, &tensor), "finding a tensor");
    litert::check(api.LiteRtGetRankedTensorType(tensor, &slot.type), "LiteRtGetRankedTensorType");
    slot.info = {name, dtype_of(slot.type.element), Shape(slot.type.sides, slot.type.sides + slot.type.rank())};
  }
  return slots;
}

void allocate(std::vector<Slot>& slots) {
  for (Slot& slot : slots) {
    const std::size_t size = bytes_of(make_tensor(slot.info.dtype, slot.info.shape));
    slot.memory = std::make_unique<Bytes>(size + kBeyond);
    std::memset(slot.memory->data(), 0, size + kBeyond);
    litert::TensorBuffer* buffer = nullptr;
    litert::check(litert::api().LiteRtCreateTensorBufferFromHostMemory(&slot.type, slot.memory->data(), size, nullptr,
                                                                       &buffer),
                  "LiteRtCreateTensorBufferFromHostMemory");
    slot.buffer.reset(buffer);
  }
}

std::vector<TensorInfo> infos_of(const std::vector<Slot>& slots) {
  std::vector<TensorInfo> infos;
  for (const Slot& slot : slots) infos.push_back(slot.info);
  return infos;
}

std::vector<litert::TensorBuffer*> buffers_of(const std::vector<Slot>& slots) {
  std::vector<litert::TensorBuffer*> buffers;
  for (const Slot& slot : slots) buffers.push_back(slot.buffer.get());
  return buffers;
}

// What `run` takes: batches and sentences of any size, which the file does not.
EngineInfo opened(EngineInfo info) {
  for (TensorInfo& tensor : info.inputs) {
    tensor.shape.at(0) = -1;
    if (tensor.name == kTextInput) tensor.shape.at(1) = -1;
  }
  return info;
}

// Rows from `start` on into all of `slot`: the last row is repeated where there are fewer, and so is the last value of a
// row that is shorter, of which there is one.
template <class T>
void fill(Slot& slot, const std::vector<T>& values, const Shape& shape, std::int64_t start) {
  const std::int64_t rows = slot.info.shape[0];
  const auto width = static_cast<std::int64_t>(element_count(slot.info.shape)) / rows;
  const auto given = static_cast<std::int64_t>(element_count(shape)) / shape[0];
  T* to = reinterpret_cast<T*>(slot.memory->data());
  for (std::int64_t row = 0; row < rows; ++row, to += width) {
    const T* const from = values.data() + std::min(start + row, shape[0] - 1) * given;
    std::copy(from, from + given, to);
    std::fill(to + given, to + width, from[given - 1]);
  }
}

// A compiled model, whose calls take turns: it is made for one thread, and divides a call among its own.
//
// A file has one batch and one length of sentences. Others are computed in parts of that batch, the last of them filled
// up with its last image or sentence; sentences are filled up with their last token, which no text encoder that a
// bundle may have sees.
class LiteRtEngine final : public Engine {
 public:
  LiteRtEngine(const EngineInfo& info, std::shared_ptr<Bytes> file, const EngineOptions& options)
      : info_(info),
        taken_(opened(info)),
        threads_(options.threads > 0 ? static_cast<std::size_t>(options.threads) : usable_cores()),
        precision_(precision_of(info.precision)),
        file_(std::move(file)) {
    litert::without_its_first_line();
    try {
      environment_ = litert::make_environment();
      model_ = litert::make_model(environment_.get(), file_->data(), file_->size());
      litert::Signature* const signature = find_signature();
      inputs_ = slots_of(signature, &litert::Api::LiteRtGetNumSignatureInputs,
                         &litert::Api::LiteRtGetSignatureInputName,
                         &litert::Api::LiteRtGetSignatureInputTensorByIndex);
      outputs_ = slots_of(signature, &litert::Api::LiteRtGetNumSignatureOutputs,
                          &litert::Api::LiteRtGetSignatureOutputName,
                          &litert::Api::LiteRtGetSignatureOutputTensorByIndex);
      check_interface(kRuntime, info, infos_of(inputs_), infos_of(outputs_));
      compiled_ = litert::compile(environment_.get(), model_.get(), threads_);
      allocate(inputs_);
      allocate(outputs_);
    } catch (const litert::Failure& error) {
      const auto built = info.versions.find("ai-edge-litert");
      throw load_failed(kRuntime, info, error.what(),
                        built == info.versions.end()
                            ? std::string("export the bundle again")
                            : "use LiteRT " + built->second + " or newer, or export the bundle again");
    }
  }

  std::string description() const override {
    return std::string(kRuntime) + ", CPU, " + precision_ + ", " + std::to_string(threads_) + " thread" +
           (threads_ == 1 ? "" : "s");
  }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs(kRuntime, taken_, inputs);
    const std::int64_t rows = inputs.at(info_.inputs.front().name).shape[0];
    for (const Slot& slot : inputs_) {
      const Shape& shape = inputs.at(slot.info.name).shape;
      const bool is_longer = slot.info.name == kTextInput && shape[1] > slot.info.shape[1];
      if (shape[0] != rows || is_longer) {
        throw run_failed(kRuntime, info_, inputs, slot.info.name + " is another tensor than the engine takes");
      }
    }
    Tensors outputs;
    for (const std::string& name : wanted) {
      const TensorInfo& info = output_info(info_, name);
      Shape shape = info.shape;
      shape.at(0) = rows;
      outputs.emplace(name, make_tensor(info.dtype, shape));
    }
    const std::int64_t size = inputs_.front().info.shape[0];
    const std::lock_guard<std::mutex> turn(turn_);
    try {
      for (std::int64_t start = 0; start < rows; start += size) {
        for (Slot& slot : inputs_) {
          const Tensor& tensor = inputs.at(slot.info.name);
          std::visit([&](const auto& values) { fill(slot, values, tensor.shape, start); }, tensor.values);
        }
        invoke();
        for (auto& [name, tensor] : outputs) copy(name, tensor, start, std::min(size, rows - start));
      }
    } catch (const litert::Failure& error) {
      throw run_failed(kRuntime, info_, inputs, error.what());
    }
    return outputs;
  }

 private:
  litert::Signature* find_signature() {
    const litert::Api& api = litert::api();
    std::size_t count = 0;
    litert::check(api.LiteRtGetNumModelSignatures(model_.get(), &count), "LiteRtGetNumModelSignatures");
    for (; signature_ < count; ++signature_) {
      litert::Signature* found = nullptr;
      litert::check(api.LiteRtGetModelSignature(model_.get(), signature_, &found), "LiteRtGetModelSignature");
      const char* key = nullptr;
      litert::check(api.LiteRtGetSignatureKey(found, &key), "LiteRtGetSignatureKey");
      if (std::strcmp(key, kSignature) == 0) return found;
    }
    throw litert::Failure(std::string("the file has no signature ") + kSignature);
  }

  void invoke() {
    std::vector<litert::TensorBuffer*> given = buffers_of(inputs_), made = buffers_of(outputs_);
    litert::check(litert::api().LiteRtRunCompiledModel(compiled_.get(), signature_, given.size(), given.data(),
                                                       made.size(), made.data()),
                  "LiteRtRunCompiledModel");
  }

  // Rows of an output, the first that were computed, to where they belong.
  void copy(const std::string& name, Tensor& tensor, std::int64_t start, std::int64_t count) const {
    const auto slot = std::find_if(outputs_.begin(), outputs_.end(),
                                   [&](const Slot& each) { return each.info.name == name; });
    const std::size_t row = bytes_of(tensor) / static_cast<std::size_t>(tensor.shape[0]);
    std::memcpy(static_cast<unsigned char*>(data_of(tensor)) + static_cast<std::size_t>(start) * row,
                slot->memory->data(), static_cast<std::size_t>(count) * row);
  }

  EngineInfo info_, taken_;
  std::size_t threads_;
  std::string precision_;
  std::shared_ptr<Bytes> file_;  // which the model reads as long as it lives
  litert::EnvironmentOwner environment_;
  litert::ModelOwner model_;
  litert::CompiledOwner compiled_;
  std::size_t signature_ = 0;
  std::vector<Slot> inputs_, outputs_;
  std::mutex turn_;
};

}  // namespace

std::unique_ptr<Engine> open_litert(EngineSource source, const EngineOptions& options) {
  source.verified();
  return std::make_unique<LiteRtEngine>(source.info, source.files.at(0), options);
}

}  // namespace groupvit::detail
