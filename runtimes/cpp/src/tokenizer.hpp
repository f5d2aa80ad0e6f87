// Sentences to token ids, from a tokenizer.json of the tokenizers library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace groupvit::detail {

// Knows the tokenizers that bundles have: CLIP's byte-level BPE and the word-level one of small models. Refuses
// any other at construction. Immutable afterwards, safe between threads.
class Tokenizer {
 public:
  // Throws Error(GROUPVIT_ERROR_BUNDLE).
  explicit Tokenizer(const std::filesystem::path& path);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Ids with start and end, no padding, no truncation. Throws Error(GROUPVIT_ERROR_LABEL) for a word that a
  // word-level tokenizer does not know, or for text that is not UTF-8.
  std::vector<std::int64_t> encode(std::string_view sentence) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace groupvit::detail
