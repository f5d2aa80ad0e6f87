// Normalizing a text and cutting it into words, as the tokenizers library does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer_config.hpp"

namespace groupvit::detail {

std::u32string normalize_text(std::u32string_view text, const std::vector<NormalizerStep>& steps);

using WordSink = std::function<void(std::u32string_view)>;

void split_words(std::u32string_view text, const ClipSplit& split, const WordSink& sink);
void split_words(std::u32string_view text, const WhitespaceSplit& split, const WordSink& sink);

// Finds added tokens in a text: the leftmost, and the longest of those that begin there.
class TokenFinder {
 public:
  // False where the content is there already.
  bool add(std::u32string content, std::uint32_t id);
  // Calls `text` with what lies between tokens, where it is not empty, and `token` with the ids, in order.
  void split(std::u32string_view whole, const WordSink& text, const std::function<void(std::uint32_t)>& token) const;

 private:
  std::vector<std::pair<std::u32string, std::uint32_t>> tokens_;  // the longest first
};

}  // namespace groupvit::detail
