// The one tensor and the metadata of a vocabulary's safetensors file.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace groupvit::detail {

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::string name;   // of the tensor
  std::string dtype;  // "F32"
  std::vector<std::int64_t> shape;
  std::vector<float> values;  // empty unless dtype is F32
};

// The file is not what the format says; the reason is in `what()`.
class SafetensorsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws SafetensorsError for contents whose header does not describe it to the byte, or that
// has another number of tensors than one.
SafetensorsFile parse_safetensors(std::string_view contents);

}  // namespace groupvit::detail
