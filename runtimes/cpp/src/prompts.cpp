// Labels and the sentences that they are put into, as groupvit_runtime.prompts has them.
#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "label_key.hpp"
#include "unicode.hpp"
#include "utf8.hpp"
#include "vocabulary.hpp"

namespace groupvit::detail {
namespace {

// Words with single spaces between them: " ".join(label.split()), without a byte order mark in front.
std::u32string joined(std::u32string_view label) {
  if (!label.empty() && label.front() == 0xfeff) label.remove_prefix(1);
  std::u32string words;
  bool pending = false;
  for (const char32_t code : label) {
    if (is_python_space(code)) {
      pending = !words.empty();
      continue;
    }
    if (pending) words.push_back(U' ');
    pending = false;
    words.push_back(code);
  }
  return words;
}

// What unicodedata calls Cc; surrogates are no UTF-8.
bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

// Names that look alike are told apart by their code points only.
std::string shown(const std::u32string& name) {
  constexpr std::size_t kShown = 40;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = encode_utf8(name.substr(0, kShown)) + (name.size() > kShown ? "..." : "");
  std::string escaped;
  for (const char32_t code : name.substr(0, kShown)) {
    if (code < 0x80 && !is_control(code)) {
      escaped += static_cast<char>(code);
      continue;
    }
    escaped += code < 0x10000 ? "\\u" : "\\U";
    for (int shift = code < 0x10000 ? 12 : 28; shift >= 0; shift -= 4) escaped += kDigits[code >> shift & 0xf];
  }
  if (escaped == text.substr(0, escaped.size())) return "'" + text + "'";
  return std::any_of(name.begin(), name.end(), is_control) ? "'" + escaped + "'" : "'" + text + "' = '" + escaped + "'";
}

[[noreturn]] void refuse_template(const std::string& prompt) {
  throw Error(GROUPVIT_ERROR_LABEL, "a prompt template must have the place of the class name exactly once",
              "'" + prompt + "'", "a sentence with one {}, and }} where a } is meant",
              "for instance \"a photo of a {}.\"");
}

// Text of a template without a place: a closing brace is written twice.
void append_literal(const std::string& prompt, std::size_t start, std::size_t end, std::string& sentence) {
  for (std::size_t i = start; i < end; ++i) {
    if (prompt[i] == '{') refuse_template(prompt);
    if (prompt[i] == '}' && (++i == end || prompt[i] != '}')) refuse_template(prompt);
    sentence += prompt[i];
  }
}

}  // namespace

std::vector<std::string> check_labels(const std::vector<std::string>& labels) {
  if (labels.empty()) {
    throw Error(GROUPVIT_ERROR_LABEL, "the list of labels is empty", "no names", "at least one name",
                "pass the names of the classes, or open a vocabulary");
  }
  std::vector<std::string> names;
  std::map<std::u32string, std::size_t> seen;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::optional<std::u32string> label = decode_utf8(labels[i]);
    const std::string place = "label " + std::to_string(i + 1) + " of " + std::to_string(labels.size());
    if (!label) throw Error(GROUPVIT_ERROR_LABEL, "a label is not text", place, "UTF-8", "convert it to UTF-8");
    const std::u32string name = joined(*label);
    if (std::any_of(name.begin(), name.end(), is_control)) {
      throw Error(GROUPVIT_ERROR_LABEL, "a label has a control character, which no one sees and the tokenizer does",
                  place + ": " + shown(name), "text", "write the name anew");
    }
    const std::u32string key = label_key(name);
    if (key.empty()) {
      throw Error(GROUPVIT_ERROR_LABEL, "a label is empty", place, "a word or phrase", "remove the surplus comma");
    }
    names.push_back(encode_utf8(name));
    const auto [first, is_new] = seen.emplace(key, i);
    if (!is_new) {
      throw Error(GROUPVIT_ERROR_LABEL, "a label is given twice; a pixel could not say which of the two it is",
                  shown(*decode_utf8(names[first->second])) + " and " + shown(name),
                  "names that differ in more than case, accents' encoding or what does not show",
                  "remove one of them");
    }
  }
  return names;
}

std::string fill_prompt(const std::string& prompt, const std::string& name) {
  const std::size_t place = prompt.find("{}");
  if (place == std::string::npos) refuse_template(prompt);
  std::string sentence;
  append_literal(prompt, 0, place, sentence);
  sentence += name;
  append_literal(prompt, place + 2, prompt.size(), sentence);
  return sentence;
}

}  // namespace groupvit::detail
