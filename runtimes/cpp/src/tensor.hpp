// A dense tensor in row-major order that owns its values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace groupvit::detail {

using Shape = std::vector<std::int64_t>;

struct Tensor {
  Shape shape;
  std::variant<std::vector<float>, std::vector<std::int64_t>, std::vector<std::int32_t>,
               std::vector<std::uint8_t>>
      values;

  template <typename T>
  const std::vector<T>& as() const {
    return std::get<std::vector<T>>(values);
  }
  template <typename T>
  std::vector<T>& as() {
    return std::get<std::vector<T>>(values);
  }
};

using Tensors = std::map<std::string, Tensor>;

}  // namespace groupvit::detail
