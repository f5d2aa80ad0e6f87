// tokenizer.json, as far as this runtime implements what it says.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace groupvit::detail {

// Tokens and their ids, in the order of the file.
using TokenIds = std::vector<std::pair<std::string, std::uint32_t>>;

// A token that is found in the text before it is split.
struct AddedToken {
  std::string content;
  std::uint32_t id = 0;
  bool normalized = false;  // looked for in the normalized text, by its own normalized content
  bool special = false;     // not of a sentence's words
};

enum class NormalizerStep { kNfc, kCollapseSpaces, kLowercase };

// Words, contractions, single digits and runs of what is left, without white space; then bytes.
struct ClipSplit {
  bool whole_tokens = false;  // "<|startoftext|>" and "<|endoftext|>" are words of their own
  bool again = true;          // each word is split once more by the pattern of GPT-2, which knows no such words
};

// Runs of word letters and runs of what is neither such nor white space.
struct WhitespaceSplit {};

struct BpeConfig {
  TokenIds vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;
  std::string end_of_word;
  std::optional<std::string> unknown;
};

struct WordLevelConfig {
  TokenIds vocabulary;
  std::string unknown;
};

struct TokenizerConfig {
  std::vector<AddedToken> added_tokens;
  std::vector<NormalizerStep> normalizers;
  std::variant<ClipSplit, WhitespaceSplit> split;
  std::variant<BpeConfig, WordLevelConfig> model;
  std::vector<std::uint32_t> prefix, suffix;  // around every sentence
};

// The reason is in `what()`, and what mends it in `fix()`: of a file that is sound and means what is not implemented,
// the way around it.
class TokenizerConfigError : public std::runtime_error {
 public:
  explicit TokenizerConfigError(const std::string& what,
                                const char* fix = "where Python is: groupvit vocab BUNDLE --labels \"...\" --add NAME; "
                                                  "then open the vocabulary NAME, which needs no tokenizer here")
      : std::runtime_error(what), fix_(fix) {}
  const char* fix() const noexcept { return fix_; }

 private:
  const char* fix_;
};

inline constexpr char kTokenizerAgain[] = "copy or export the bundle again";

// Throws TokenizerConfigError for what is no tokenizer.json, and for every field or value whose meaning is not
// implemented.
TokenizerConfig parse_tokenizer_config(std::string_view text);

}  // namespace groupvit::detail
