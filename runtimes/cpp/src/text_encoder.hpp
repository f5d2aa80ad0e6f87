// Words to text embeddings: tokenizer, text engine, average over the templates.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bundle.hpp"
#include "engines/engine.hpp"
#include "tokenizer.hpp"
#include "vocabulary.hpp"

namespace groupvit::detail {

using EngineLoader = std::function<std::unique_ptr<Engine>(
    const EngineInfo& info, const std::filesystem::path& root, const EngineOptions& options)>;

// The text side of a bundle, loaded whole. `encode` may be called by several threads at once.
class TextEncoder {
 public:
  // Throws Error(GROUPVIT_ERROR_BUNDLE) where the bundle has no tokenizer, and what loading the engine throws.
  TextEncoder(const Bundle& bundle, const EngineOptions& options, const EngineLoader& loader);

  // Puts every name into every template, encodes, averages and normalizes. Throws Error(GROUPVIT_ERROR_LABEL)
  // for a sentence that is too long or has an unknown word, Error(GROUPVIT_ERROR_ENGINE) where the engine fails.
  Vocabulary encode(const std::vector<std::string>& names, const std::vector<std::string>& templates) const;

 private:
  Tensor token_ids(const std::vector<std::string>& names, const std::vector<std::string>& templates) const;

  std::string fingerprint_;
  std::int64_t max_length_;
  std::int64_t pad_id_;
  std::int64_t width_;
  std::int64_t batch_;
  Tokenizer tokenizer_;
  std::unique_ptr<Engine> engine_;
};

// Refuses templates that do not have the place of the name, {}, exactly once: Error(GROUPVIT_ERROR_LABEL).
void check_templates(const std::vector<std::string>& templates);

}  // namespace groupvit::detail
