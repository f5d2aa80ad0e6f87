// A file is the length of the header (uint64, little endian), the header (JSON), and the data without gaps.
#include "safetensors.hpp"

#include <cstddef>
#include <cstring>
#include <limits>

#include "json.hpp"

namespace groupvit::detail {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the library's own

// Bytes of an element; 0 for a dtype that vocabularies cannot have anyway and whose size is not told here.
std::uint64_t element_bytes(const std::string& dtype) {
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL") return 1;
  return 0;
}

std::int64_t natural(const json::Value& value, const char* what) {
  const auto* integer = value.get<std::int64_t>();
  if (integer == nullptr || *integer < 0) {
    throw SafetensorsError(std::string(what) + " is " + value.shown() + ", not a natural number");
  }
  return *integer;
}

const json::Value& member(const json::Value& tensor, const char* name) {
  const json::Value* value = tensor.find(name);
  if (value == nullptr) throw SafetensorsError(std::string("a tensor without ") + name);
  return *value;
}

std::map<std::string, std::string> read_metadata(const json::Value& value) {
  std::map<std::string, std::string> metadata;
  if (value.is_null()) return metadata;
  const auto* object = value.get<json::Object>();
  if (object == nullptr) throw SafetensorsError("its metadata are " + value.shown());
  for (const auto& [name, item] : *object) {
    const auto* text = item.get<std::string>();
    if (text == nullptr) throw SafetensorsError("the metadata " + name + " are " + item.shown() + ", not a string");
    metadata[name] = *text;
  }
  return metadata;
}

// Fills in everything but the values, and checks that they take `data_bytes`.
void read_tensor(const json::Value& tensor, std::uint64_t data_bytes, SafetensorsFile& file) {
  const auto* dtype = member(tensor, "dtype").get<std::string>();
  const auto* shape = member(tensor, "shape").get<json::Array>();
  const auto* offsets = member(tensor, "data_offsets").get<json::Array>();
  if (dtype == nullptr || shape == nullptr || offsets == nullptr || offsets->size() != 2) {
    throw SafetensorsError("the tensor is described by " + tensor.shown());
  }
  file.dtype = *dtype;
  std::uint64_t bytes = element_bytes(*dtype);
  if (bytes == 0) throw SafetensorsError("the tensor is of dtype " + *dtype);
  for (const json::Value& side : *shape) {
    file.shape.push_back(natural(side, "a side of the tensor"));
    const auto factor = static_cast<std::uint64_t>(file.shape.back());
    if (factor != 0 && bytes > std::numeric_limits<std::uint64_t>::max() / factor) {
      throw SafetensorsError("the tensor is larger than a file can be");
    }
    bytes *= factor;
  }
  const std::int64_t begin = natural((*offsets)[0], "an offset"), end = natural((*offsets)[1], "an offset");
  if (begin != 0 || static_cast<std::uint64_t>(end) != data_bytes || bytes != data_bytes) {
    throw SafetensorsError("the tensor takes " + std::to_string(bytes) + " bytes, from " + std::to_string(begin) +
                           " to " + std::to_string(end) + "; the file has " + std::to_string(data_bytes));
  }
}

// The file is little-endian, whatever this machine is.
std::vector<float> read_floats(std::string_view data) {
  std::vector<float> values(data.size() / sizeof(float));
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const unsigned char* b = bytes + 4 * i;
    const std::uint32_t bits = std::uint32_t{b[0]} | std::uint32_t{b[1]} << 8 | std::uint32_t{b[2]} << 16 |
                               std::uint32_t{b[3]} << 24;
    std::memcpy(&values[i], &bits, sizeof bits);
  }
  return values;
}

}  // namespace

SafetensorsFile parse_safetensors(std::string_view contents) {
  const std::uint64_t size = contents.size();
  constexpr std::size_t kPrefix = 8;
  if (size < kPrefix) {
    throw SafetensorsError("it has " + std::to_string(size) + " bytes, too few for a header");
  }
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | static_cast<unsigned char>(contents[i]);
  if (header_bytes > kMaxHeaderBytes || header_bytes > size - kPrefix) {
    throw SafetensorsError("its header would have " + std::to_string(header_bytes) + " bytes, the file has " +
                           std::to_string(size));
  }
  const std::string_view text = contents.substr(kPrefix, header_bytes);

  json::Value header;
  try {
    header = json::parse(text);
  } catch (const json::SyntaxError& reason) {
    throw SafetensorsError(std::string("its header is not JSON: ") + reason.what());
  }
  const auto* members = header.get<json::Object>();
  if (members == nullptr) throw SafetensorsError("its header is " + header.shown());

  SafetensorsFile file;
  const json::Value* tensor = nullptr;
  for (const auto& [name, value] : *members) {
    if (name == "__metadata__") {
      file.metadata = read_metadata(value);
    } else if (tensor != nullptr) {
      throw SafetensorsError("it has more than one tensor, " + file.name + " and " + name);
    } else {
      file.name = name;
      tensor = &value;
    }
  }
  if (tensor == nullptr) throw SafetensorsError("it has no tensor");
  const std::string_view data = contents.substr(kPrefix + header_bytes);
  read_tensor(*tensor, data.size(), file);
  if (file.dtype != "F32") return file;

  file.values = read_floats(data);
  return file;
}

}  // namespace groupvit::detail
