#include "tokenizer.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "bpe.hpp"
#include "error.hpp"
#include "pre_tokenize.hpp"
#include "text_cleaning.hpp"
#include "tokenizer_config.hpp"
#include "utf8.hpp"

namespace groupvit::detail {
namespace {

// Names are the first of them, as the Python runtime shows them.
std::string known_words(const std::vector<std::string>& sorted) {
  constexpr std::size_t kShown = 60;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, sorted.size()); ++i) text += (i == 0 ? "" : " ") + sorted[i];
  return text + (sorted.size() > kShown ? " ..." : "");
}

std::string shortened(const std::u32string& sentence) {
  if (sentence.size() <= 60) return encode_utf8(sentence);
  return encode_utf8(std::u32string_view(sentence).substr(0, 57)) + "...";
}

// Words that stand for themselves.
class WordLevel {
 public:
  explicit WordLevel(const WordLevelConfig& config) : ids_(config.vocabulary.begin(), config.vocabulary.end()) {
    const auto unknown = ids_.find(config.unknown);
    if (unknown != ids_.end()) unknown_ = unknown->second;
  }

  // Empty for a word that is not known.
  std::optional<std::uint32_t> find(const std::string& word) const {
    const auto found = ids_.find(word);
    return found != ids_.end() ? std::optional(found->second) : unknown_;
  }

  std::vector<std::string> words() const {
    std::vector<std::string> words;
    for (const auto& [word, id] : ids_) {
      if (word.empty() || word.front() != '<') words.push_back(word);
    }
    std::sort(words.begin(), words.end());
    return words;
  }

 private:
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::optional<std::uint32_t> unknown_;
};

}  // namespace

struct Tokenizer::Impl {
  Impl(const TokenizerConfig& config, TextCleaning cleaning);

  std::vector<std::int64_t> encode_words(std::string_view sentence) const;
  void encode_part(std::u32string_view text, const std::u32string& sentence, std::vector<std::int64_t>& ids) const;

  std::vector<NormalizerStep> normalizers;
  std::variant<ClipSplit, WhitespaceSplit> split;
  std::variant<Bpe, WordLevel> model;
  std::vector<std::uint32_t> prefix, suffix;
  TokenFinder raw_tokens, normalized_tokens;
  std::map<std::int64_t, std::string> specials;
  TextCleaning cleaning;
};

Tokenizer::Impl::Impl(const TokenizerConfig& config, TextCleaning text_cleaning)
    // Text that was cleaned is normal already.
    : normalizers(text_cleaning == TextCleaning::kNone ? config.normalizers : std::vector<NormalizerStep>()),
      split(config.split),
      model(std::holds_alternative<BpeConfig>(config.model)
                ? std::variant<Bpe, WordLevel>(Bpe(std::get<BpeConfig>(config.model)))
                : std::variant<Bpe, WordLevel>(WordLevel(std::get<WordLevelConfig>(config.model)))),
      prefix(config.prefix),
      suffix(config.suffix),
      cleaning(text_cleaning) {
  const TokenIds& vocabulary =
      std::visit([](const auto& each) -> const TokenIds& { return each.vocabulary; }, config.model);
  // The library numbers tokens that its model lacks by itself: behind all others.
  std::size_t next = vocabulary.size();
  for (const AddedToken& token : config.added_tokens) {
    const auto known = std::find_if(vocabulary.begin(), vocabulary.end(),
                                    [&](const auto& each) { return each.first == token.content; });
    const std::size_t expected = known != vocabulary.end() ? known->second : next;
    if (token.id != expected) {
      throw TokenizerConfigError("its added token " + token.content + " has the id " + std::to_string(token.id) +
                                 ", where the library takes " + std::to_string(expected));
    }
    next = std::max<std::size_t>(next, token.id + std::size_t{1});
    if (token.special) specials.emplace(token.id, token.content);
    std::u32string content = decode_utf8(token.content).value();  // JSON is UTF-8
    if (token.normalized) content = normalize_text(content, normalizers);
    if (content.empty()) throw TokenizerConfigError("nothing is left of its added token " + token.content);
    if (!(token.normalized ? normalized_tokens : raw_tokens).add(std::move(content), token.id)) {
      throw TokenizerConfigError("its added token " + token.content + " is there twice");
    }
  }
  for (const auto* ids : {&prefix, &suffix}) {
    for (const std::uint32_t id : *ids) {
      const auto known =
          std::find_if(vocabulary.begin(), vocabulary.end(), [&](const auto& each) { return each.second == id; });
      specials.emplace(id, known != vocabulary.end() ? known->first : "token " + std::to_string(id));
    }
  }
}

void Tokenizer::Impl::encode_part(std::u32string_view text, const std::u32string& sentence,
                                  std::vector<std::int64_t>& ids) const {
  const auto add = [&](std::u32string_view word) {
    const std::string bytes = encode_utf8(word);
    if (const auto* bpe = std::get_if<Bpe>(&model)) {
      bpe->encode(bytes, ids);
      return;
    }
    const auto& words = std::get<WordLevel>(model);
    const auto id = words.find(bytes);
    if (!id) {
      throw Error(GROUPVIT_ERROR_LABEL, "a label has a word that this model's tokenizer does not know",
                  "'" + shortened(sentence) + "' (" + shortened(std::u32string(word)) + ")", known_words(words.words()),
                  "use words of the vocabulary the model was trained with");
    }
    ids.push_back(*id);
  };
  std::visit([&](const auto& kind) { split_words(text, kind, add); }, split);
}

Tokenizer::Tokenizer(std::string_view contents, const std::string& where, TextCleaning cleaning) {
  try {
    impl_ = std::make_unique<const Impl>(parse_tokenizer_config(contents), cleaning);
  } catch (const TokenizerConfigError& error) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "the tokenizer cannot be read", where + ": " + error.what(),
                "a tokenizer.json of the tokenizers library, CLIP's or a word-level one", error.fix());
  }
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<std::int64_t> Tokenizer::Impl::encode_words(std::string_view sentence) const {
  std::optional<std::u32string> text = decode_utf8(sentence);
  if (!text) {
    throw Error(GROUPVIT_ERROR_LABEL, "a label is not text", std::to_string(sentence.size()) + " bytes", "UTF-8",
                "convert it to UTF-8");
  }
  if (cleaning == TextCleaning::kNvlabs) text = clean_as_nvlabs(*text);
  std::vector<std::int64_t> ids;
  const auto add = [&](std::uint32_t id) { ids.push_back(id); };
  raw_tokens.split(
      *text,
      [&](std::u32string_view part) {
        const std::u32string normalized = normalize_text(part, normalizers);
        normalized_tokens.split(
            normalized, [&](std::u32string_view piece) { encode_part(piece, *text, ids); }, add);
      },
      add);
  return ids;
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view sentence) const {
  std::vector<std::int64_t> ids(impl_->prefix.begin(), impl_->prefix.end());
  const std::vector<std::int64_t> words = impl_->encode_words(sentence);
  ids.insert(ids.end(), words.begin(), words.end());
  ids.insert(ids.end(), impl_->suffix.begin(), impl_->suffix.end());
  return ids;
}

std::optional<std::string> Tokenizer::special_token_in(std::string_view sentence) const {
  for (const std::int64_t id : impl_->encode_words(sentence)) {
    const auto special = impl_->specials.find(id);
    if (special != impl_->specials.end()) return special->second;
  }
  return std::nullopt;
}

}  // namespace groupvit::detail
