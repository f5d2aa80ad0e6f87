#include "engines/support.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "ascii.hpp"

namespace groupvit::detail {
namespace {

constexpr std::size_t kLongestMessage = 300;

template <typename T>
const char* name_of() {
  if constexpr (std::is_same_v<T, float>) return "float32";
  if constexpr (std::is_same_v<T, std::int64_t>) return "int64";
  if constexpr (std::is_same_v<T, std::int32_t>) return "int32";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "uint8";
}

std::string described(const std::string& name, const std::string& dtype, const Shape& shape) {
  return name + " " + dtype + " " + to_text(shape);
}

std::string described(const std::vector<TensorInfo>& tensors) {
  std::string text;
  for (const TensorInfo& tensor : tensors) {
    text += (text.empty() ? "" : ", ") + described(tensor.name, tensor.dtype, tensor.shape);
  }
  return text;
}

bool are_alike(const TensorInfo& own, const TensorInfo& recorded) {
  return own.name == recorded.name && own.dtype == recorded.dtype && own.shape.size() == recorded.shape.size() &&
         std::equal(own.shape.begin(), own.shape.end(), recorded.shape.begin(),
                    [](std::int64_t a, std::int64_t b) { return a == -1 || b == -1 || a == b; });
}

bool fits(const Shape& shape, const Shape& wanted) {
  if (shape.size() != wanted.size()) return false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (wanted[axis] >= 0 ? shape[axis] != wanted[axis] : shape[axis] < 1) return false;
  }
  return true;
}

}  // namespace

const char* dtype_name(const Tensor& tensor) {
  return std::visit(
      [](const auto& values) { return name_of<typename std::decay_t<decltype(values)>::value_type>(); },
      tensor.values);
}

std::string to_text(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t side : shape) text += (text.size() == 1 ? "" : ", ") + std::to_string(side);
  return text + "]";
}

std::size_t element_count(const Shape& shape) {
  // Eight bytes an element at most, and as many elements as a pointer difference can hold.
  constexpr std::int64_t kMost = std::numeric_limits<std::ptrdiff_t>::max() / 8;
  std::int64_t count = 1;
  for (const std::int64_t side : shape) {
    if (side < 0 || (side > 0 && count > kMost / side)) {
      throw Error(GROUPVIT_ERROR_ENGINE, "a tensor of this shape cannot be", to_text(shape));
    }
    count *= side;
  }
  return static_cast<std::size_t>(count);
}

Tensor make_tensor(const std::string& dtype, const Shape& shape) {
  const std::size_t count = element_count(shape);
  if (dtype == "float32") return {shape, std::vector<float>(count)};
  if (dtype == "int64") return {shape, std::vector<std::int64_t>(count)};
  if (dtype == "int32") return {shape, std::vector<std::int32_t>(count)};
  if (dtype == "uint8") return {shape, std::vector<std::uint8_t>(count)};
  throw Error(GROUPVIT_ERROR_ENGINE, "the engine has a tensor of a dtype that this library does not read",
              dtype, "float32, int64, int32 or uint8",
              "export the bundle again with this version of the toolkit");
}

void* data_of(Tensor& tensor) {
  return std::visit([](auto& values) -> void* { return values.data(); }, tensor.values);
}

const void* data_of(const Tensor& tensor) {
  return std::visit([](const auto& values) -> const void* { return values.data(); }, tensor.values);
}

std::size_t bytes_of(const Tensor& tensor) {
  return std::visit([](const auto& values) { return values.size() * sizeof(values[0]); }, tensor.values);
}

const TensorInfo& output_info(const EngineInfo& info, const std::string& name) {
  std::string names;
  for (const TensorInfo& tensor : info.outputs) {
    if (tensor.name == name) return tensor;
    names += (names.empty() ? "" : ", ") + tensor.name;
  }
  throw Error(GROUPVIT_ERROR_ENGINE, "the " + info.role + " engine lacks an output", names, name,
              "export the bundle again");
}

void check_inputs(const std::string& runtime, const EngineInfo& info, const Tensors& inputs) {
  for (const TensorInfo& wanted : info.inputs) {
    const auto found = inputs.find(wanted.name);
    if (found == inputs.end()) throw run_failed(runtime, info, inputs, "no input " + wanted.name);
    const Tensor& tensor = found->second;
    const std::size_t count = std::visit([](const auto& values) { return values.size(); }, tensor.values);
    if (dtype_name(tensor) != wanted.dtype || !fits(tensor.shape, wanted.shape) ||
        element_count(tensor.shape) != count) {
      throw run_failed(runtime, info, inputs, wanted.name + " is another tensor than the engine takes");
    }
  }
}

void check_interface(const std::string& runtime, const EngineInfo& info, const std::vector<TensorInfo>& inputs,
                     const std::vector<TensorInfo>& outputs) {
  const auto has_all = [](const std::vector<TensorInfo>& own, const std::vector<TensorInfo>& recorded) {
    return std::all_of(recorded.begin(), recorded.end(), [&](const TensorInfo& tensor) {
      return std::any_of(own.begin(), own.end(), [&](const TensorInfo& each) { return are_alike(each, tensor); });
    });
  };
  const bool has_more = std::any_of(inputs.begin(), inputs.end(), [&](const TensorInfo& each) {
    return !info.takes(each.name);
  });
  if (!has_more && has_all(inputs, info.inputs) && has_all(outputs, info.outputs)) return;
  throw Error(GROUPVIT_ERROR_ENGINE, runtime + " finds other tensors in the engine than the manifest says",
              described(inputs) + ", " + described(outputs), described(info.inputs) + ", " + described(info.outputs),
              "do not use this bundle; or export it again");
}

std::vector<long> version_numbers(const std::string& version, std::size_t count) {
  std::vector<long> numbers;
  for (std::size_t i = 0; i < version.size() && numbers.size() < count;) {
    if (!is_ascii_digit(version[i])) {
      ++i;
      continue;
    }
    long number = 0;
    for (; i < version.size() && is_ascii_digit(version[i]); ++i) {
      number = std::min(number * 10 + (version[i] - '0'), 100000000L);
    }
    numbers.push_back(number);
  }
  return numbers;
}

std::string one_line(const std::string& message) {
  std::string line;
  for (const char c : message) {
    if (!is_ascii_space(c)) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
    if (line.size() == kLongestMessage) break;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  // A character of several bytes is not cut in two.
  if (line.size() == kLongestMessage) {
    std::size_t end = line.size();
    while (end > 0 && (static_cast<unsigned char>(line[end - 1]) & 0xC0) == 0x80) --end;
    if (end > 0 && (static_cast<unsigned char>(line[end - 1]) & 0x80) != 0) --end;
    line.resize(end);
  }
  return line;
}

Error load_failed(const std::string& runtime, const EngineInfo& info, const std::string& reason,
                  const std::string& fix) {
  std::string versions;
  for (const auto& [name, version] : info.versions)
    versions += (versions.empty() ? "" : ", ") + name + " " + version;
  return Error(GROUPVIT_ERROR_ENGINE, runtime + " refused the engine", one_line(reason),
               "a file exported with " + versions, fix);
}

Error run_failed(const std::string& runtime, const EngineInfo& info, const Tensors& inputs,
                 const std::string& reason) {
  std::string given;
  for (const auto& [name, tensor] : inputs) {
    given += (given.empty() ? "" : ", ") + described(name, dtype_name(tensor), tensor.shape);
  }
  return Error(GROUPVIT_ERROR_ENGINE, runtime + " could not run the engine", given + ": " + one_line(reason),
               described(info.inputs));
}

}  // namespace groupvit::detail
