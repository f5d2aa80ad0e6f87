// Class names with their embeddings, and the safetensors file that caches them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace groupvit::detail {

// `embeddings` float32 [names, width], unit vectors.
struct Vocabulary {
  std::vector<std::string> names;
  std::int64_t width = 0;
  std::vector<float> embeddings;
  std::vector<std::string> templates;
  std::string fingerprint;
};

// Throws Error(GROUPVIT_ERROR_LABEL) for everything that Vocabulary.load of the Python runtime refuses.
Vocabulary load_vocabulary(const std::filesystem::path& path);
// The same of a file's contents; `where` names it in messages.
Vocabulary parse_vocabulary(std::string_view contents, const std::string& where);

// Mean over templates in float64, then L2-normalized; `embeddings` float32 [classes * templates, width].
std::vector<float> average_templates(const std::vector<float>& embeddings, std::int64_t classes,
                                     std::int64_t width);

// Names as check_labels of the Python runtime makes them; Error(GROUPVIT_ERROR_LABEL).
std::vector<std::string> check_labels(const std::vector<std::string>& labels);

// Puts `name` into the one {} of `prompt`.
std::string fill_prompt(const std::string& prompt, const std::string& name);

}  // namespace groupvit::detail
