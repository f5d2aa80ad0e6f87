#include "pre_tokenize.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "unicode.hpp"

namespace groupvit::detail {
namespace {

constexpr std::u32string_view kWholeTokens[] = {U"<|startoftext|>", U"<|endoftext|>"};
// None is the beginning of another, so their order does not matter.
constexpr std::u32string_view kContractions[] = {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};

enum class Kind { kSpace, kLetter, kNumber, kOther };

Kind kind_of(char32_t code) {
  if (is_letter(code)) return Kind::kLetter;
  if (is_number(code)) return Kind::kNumber;
  return is_space(code) ? Kind::kSpace : Kind::kOther;
}

template <std::size_t size>
std::size_t literal_at(std::u32string_view text, const std::u32string_view (&literals)[size]) {
  for (const std::u32string_view literal : literals) {
    if (text.substr(0, literal.size()) == literal) return literal.size();
  }
  return 0;
}

// Cuts `text` into literals, letters, numbers and others; white space is dropped.
template <typename Sink>
void split_kinds(std::u32string_view text, bool whole_tokens, bool single_numbers, const Sink& sink) {
  while (!text.empty()) {
    std::size_t length = 0;
    if (text.front() == U'<' && whole_tokens) length = literal_at(text, kWholeTokens);
    if (text.front() == U'\'') length = literal_at(text, kContractions);
    if (length == 0) {
      const Kind kind = kind_of(text.front());
      length = 1;
      const bool is_run = kind != Kind::kNumber || !single_numbers;
      while (is_run && length < text.size() && kind_of(text[length]) == kind) ++length;
      if (kind != Kind::kSpace) sink(text.substr(0, length));
    } else {
      sink(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

std::u32string collapse_spaces(std::u32string_view text) {
  std::u32string collapsed;
  collapsed.reserve(text.size());
  bool in_space = false;
  for (const char32_t code : text) {
    const bool space = is_space(code);
    if (!space) collapsed.push_back(code);
    if (space && !in_space) collapsed.push_back(U' ');
    in_space = space;
  }
  return collapsed;
}

}  // namespace

std::u32string normalize_text(std::u32string_view text, const std::vector<NormalizerStep>& steps) {
  std::u32string normalized(text);
  for (const NormalizerStep step : steps) {
    switch (step) {
      case NormalizerStep::kNfc:
        normalized = to_nfc(normalized);
        break;
      case NormalizerStep::kCollapseSpaces:
        normalized = collapse_spaces(normalized);
        break;
      case NormalizerStep::kLowercase:
        normalized = to_lower(normalized);
        break;
    }
  }
  return normalized;
}

void split_words(std::u32string_view text, const ClipSplit& split, const WordSink& sink) {
  split_kinds(text, split.whole_tokens, true, [&](std::u32string_view word) {
    if (split.again) {
      split_kinds(word, false, false, sink);
    } else {
      sink(word);
    }
  });
}

void split_words(std::u32string_view text, const WhitespaceSplit&, const WordSink& sink) {
  while (!text.empty()) {
    const bool word = is_word(text.front()), space = is_space(text.front());
    std::size_t length = 1;
    while (length < text.size() && is_word(text[length]) == word && is_space(text[length]) == space) ++length;
    if (word || !space) sink(text.substr(0, length));
    text.remove_prefix(length);
  }
}

bool TokenFinder::add(std::u32string content, std::uint32_t id) {
  const auto is_same = [&](const auto& token) { return token.first == content; };
  if (std::any_of(tokens_.begin(), tokens_.end(), is_same)) return false;
  const auto place = std::find_if(tokens_.begin(), tokens_.end(),
                                  [&](const auto& token) { return token.first.size() < content.size(); });
  tokens_.emplace(place, std::move(content), id);
  return true;
}

void TokenFinder::split(std::u32string_view whole, const WordSink& text,
                        const std::function<void(std::uint32_t)>& token) const {
  std::size_t start = 0;
  for (std::size_t i = 0; i < whole.size() && !tokens_.empty();) {
    const auto found = std::find_if(tokens_.begin(), tokens_.end(), [&](const auto& each) {
      return whole.compare(i, each.first.size(), each.first) == 0;
    });
    if (found == tokens_.end()) {
      ++i;
      continue;
    }
    if (i > start) text(whole.substr(start, i - start));
    token(found->second);
    i += found->first.size();
    start = i;
  }
  if (start < whole.size()) text(whole.substr(start));
}

}  // namespace groupvit::detail
