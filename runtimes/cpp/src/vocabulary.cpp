#include "vocabulary.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <string_view>
#include <system_error>

#include "decimal.hpp"
#include "error.hpp"
#include "json.hpp"
#include "numpy_sum.hpp"
#include "regular_file.hpp"
#include "safetensors.hpp"

namespace groupvit::detail {
namespace {

constexpr char kFormat[] = "groupvit-vocabulary-1";
constexpr char kFix[] = "groupvit vocab BUNDLE --labels ... -o FILE";
// What numpy.allclose with atol=1e-4 and its rtol of 1e-5 lets a norm differ from 1.
constexpr double kNormTolerance = 1e-4 + 1e-5;

[[noreturn]] void unreadable(const std::string& where, const std::string& reason) {
  throw Error(GROUPVIT_ERROR_LABEL, "the vocabulary cannot be read", where + ": " + reason,
              "a .safetensors file written by `groupvit vocab`", kFix);
}

const std::string& entry(const std::map<std::string, std::string>& metadata, const char* name,
                         const std::string& where) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) unreadable(where, std::string("no ") + name + " in its metadata");
  return found->second;
}

std::vector<std::string> string_list(const std::string& text, const char* name, const std::string& where) {
  json::Value value;
  try {
    value = json::parse(text);
  } catch (const json::SyntaxError& error) {
    unreadable(where, std::string("its ") + name + " are not JSON: " + error.what());
  }
  std::vector<std::string> strings;
  const auto* array = value.get<json::Array>();
  if (array == nullptr) unreadable(where, std::string("its ") + name + " are " + value.shown() + ", not a list");
  for (const json::Value& item : *array) {
    const auto* string = item.get<std::string>();
    if (string == nullptr) unreadable(where, std::string("its ") + name + " have " + item.shown());
    strings.push_back(*string);
  }
  return strings;
}

std::string shown(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t side : shape) text += (text.empty() ? "" : ", ") + std::to_string(side);
  return "[" + text + "]";
}

// numpy.linalg.norm over the last axis.
double norm(const double* values, std::size_t count, std::vector<double>& squares) {
  squares.resize(count);
  std::transform(values, values + count, squares.begin(), [](double value) { return value * value; });
  return std::sqrt(pairwise_sum(squares.data(), count));
}

void check_norms(const Vocabulary& vocabulary, const std::string& where) {
  const auto width = static_cast<std::size_t>(vocabulary.width);
  std::vector<double> row(width), squares;
  double smallest = std::numeric_limits<double>::infinity(), largest = 0;
  bool close = true;
  for (std::size_t i = 0; i < vocabulary.names.size(); ++i) {
    std::copy_n(vocabulary.embeddings.data() + i * width, width, row.begin());
    const double length = norm(row.data(), width, squares);
    close = close && std::abs(length - 1.0) <= kNormTolerance;  // false for NaN
    smallest = std::min(smallest, length);
    largest = std::max(largest, length);
  }
  if (close) return;
  throw Error(GROUPVIT_ERROR_LABEL, "the embeddings of the vocabulary are not unit vectors in float32",
              where + ": norms " + decimal_text(smallest) + " to " + decimal_text(largest), {}, kFix);
}

}  // namespace

Vocabulary load_vocabulary(const std::filesystem::path& path) {
  const std::string where = path.u8string();
  try {
    RegularFile file(path);
    Bytes contents(static_cast<std::size_t>(file.size()));
    const std::size_t size = file.read(contents.data(), contents.size());
    return parse_vocabulary(contents.text().substr(0, size), where);
  } catch (const std::system_error& error) {
    unreadable(where, error.code().message());
  }
}

Vocabulary parse_vocabulary(std::string_view contents, const std::string& where) {
  SafetensorsFile file;
  try {
    file = parse_safetensors(contents);
  } catch (const SafetensorsError& error) {
    unreadable(where, error.what());
  }
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    throw Error(GROUPVIT_ERROR_LABEL, "the file is not a vocabulary",
                where + (format == file.metadata.end() ? " without a format" : " with format '" + format->second + "'"),
                kFormat, kFix);
  }
  if (file.name != "embeddings") unreadable(where, "its tensor is called " + file.name);
  Vocabulary vocabulary;
  vocabulary.names = string_list(entry(file.metadata, "names", where), "names", where);
  vocabulary.templates = string_list(entry(file.metadata, "templates", where), "templates", where);
  vocabulary.fingerprint = entry(file.metadata, "fingerprint", where);
  if (file.dtype != "F32") {
    throw Error(GROUPVIT_ERROR_LABEL, "the embeddings of the vocabulary are not unit vectors in float32",
                where + ": " + file.dtype, {}, kFix);
  }
  if (file.shape.size() != 2 || vocabulary.names.empty() ||
      static_cast<std::uint64_t>(file.shape[0]) != vocabulary.names.size()) {
    throw Error(GROUPVIT_ERROR_LABEL, "names and embeddings of the vocabulary do not fit",
                std::to_string(vocabulary.names.size()) + " names, embeddings " + shown(file.shape),
                "[K, P] with K names", kFix);
  }
  vocabulary.width = file.shape[1];
  vocabulary.embeddings = std::move(file.values);
  check_norms(vocabulary, where);
  return vocabulary;
}

std::vector<float> average_templates(const std::vector<float>& embeddings, std::int64_t classes,
                                     std::int64_t width) {
  const auto columns = static_cast<std::size_t>(width), rows = static_cast<std::size_t>(classes);
  if (classes < 1 || width < 1 || embeddings.size() % (rows * columns) != 0) {
    throw Error(GROUPVIT_ERROR_INTERNAL, "embeddings of prompts do not fit the classes",
                std::to_string(embeddings.size()) + " values", std::to_string(classes) + " classes of " +
                std::to_string(width));
  }
  const std::size_t templates = embeddings.size() / (rows * columns);
  std::vector<float> averaged(rows * columns);
  std::vector<double> mean(columns), squares;
  for (std::size_t row = 0; row < rows; ++row) {
    const float* prompt = embeddings.data() + row * templates * columns;
    std::fill(mean.begin(), mean.end(), 0.0);
    for (std::size_t t = 0; t < templates; ++t, prompt += columns) {
      for (std::size_t p = 0; p < columns; ++p) mean[p] += static_cast<double>(prompt[p]);
    }
    for (double& value : mean) value /= static_cast<double>(templates);
    const double length = norm(mean.data(), columns, squares);
    for (std::size_t p = 0; p < columns; ++p) {
      averaged[row * columns + p] = static_cast<float>(mean[p] / length);
    }
  }
  return averaged;
}

}  // namespace groupvit::detail
