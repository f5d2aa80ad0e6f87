// Sentences to token ids, from a tokenizer.json of the tokenizers library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contract.hpp"

namespace groupvit::detail {

// Knows the tokenizers that bundles have: CLIP's byte-level BPE and the word-level one of small models. Refuses
// any other at construction. Immutable afterwards, safe between threads.
class Tokenizer {
 public:
  // Of a file's contents; `where` names it in messages. A text that is cleaned is not normalized by the file's own
  // steps as well. Throws Error(GROUPVIT_ERROR_BUNDLE).
  Tokenizer(std::string_view contents, const std::string& where, TextCleaning cleaning = TextCleaning::kNone);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Ids with start and end, no padding, no truncation. Throws Error(GROUPVIT_ERROR_LABEL) for a word that a
  // word-level tokenizer does not know, for text that is not UTF-8, or that cannot be cleaned.
  std::vector<std::int64_t> encode(std::string_view sentence) const;

  // A token in the words of the sentence that is none of words: the model would read it as their end. Throws as encode.
  std::optional<std::string> special_token_in(std::string_view sentence) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace groupvit::detail
