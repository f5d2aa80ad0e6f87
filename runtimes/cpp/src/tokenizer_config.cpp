#include "tokenizer_config.hpp"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <map>

#include "json.hpp"

namespace groupvit::detail {
namespace {

constexpr char kClipPattern[] = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
constexpr char kWholeTokens[] = "<\\|startoftext\\|>|<\\|endoftext\\|>|";

[[noreturn]] void refuse(const std::string& where, const std::string& got, const std::string& expected) {
  throw TokenizerConfigError(where + " is " + got + ", where this runtime knows " + expected);
}

// An object of the file. `done` refuses members that nothing asked for.
class Part {
 public:
  Part(const json::Value& value, std::string where)
      : value_(value), object_(value.get<json::Object>()), where_(std::move(where)) {
    if (object_ == nullptr) refuse(where_, value.shown(), "an object");
  }

  std::string at(const char* name) const { return where_ + "." + name; }

  // Null where it is left out.
  const json::Value* maybe(const char* name) {
    asked_.emplace_back(name);
    return value_.find(name);
  }

  const json::Value& value(const char* name) {
    const json::Value* member = maybe(name);
    if (member == nullptr) throw TokenizerConfigError(where_ + " has no " + name);
    return *member;
  }

  template <typename T>
  const T& get(const char* name, const char* kind) {
    const json::Value& member = value(name);
    const T* typed = member.get<T>();
    if (typed == nullptr) refuse(at(name), member.shown(), kind);
    return *typed;
  }

  const std::string& text(const char* name) { return get<std::string>(name, "a string"); }
  bool boolean(const char* name) { return get<bool>(name, "true or false"); }
  const json::Array& array(const char* name) { return get<json::Array>(name, "a list"); }

  // A flag that is implemented in one position only; left out it is in that position, as in the library.
  void expect(const char* name, bool expected) {
    const json::Value* member = maybe(name);
    if (member == nullptr) return;
    const bool* flag = member->get<bool>();
    if (flag == nullptr || *flag != expected) refuse(at(name), member->shown(), expected ? "true" : "false");
  }

  void expect_text(const char* name, const std::string& expected) {
    if (text(name) != expected) refuse(at(name), value(name).shown(), "\"" + expected + "\"");
  }

  // Has no influence on the ids of a sentence.
  void ignore(std::initializer_list<const char*> names) { asked_.insert(asked_.end(), names.begin(), names.end()); }

  void done() const {
    for (const auto& member : *object_) {
      if (std::find(asked_.begin(), asked_.end(), member.first) == asked_.end()) {
        throw TokenizerConfigError(where_ + " has the field " + member.first + ", which this runtime does not know");
      }
    }
  }

 private:
  const json::Value& value_;
  const json::Object* object_;
  std::string where_;
  std::vector<std::string> asked_;
};

std::uint32_t token_id(const json::Value& value, const std::string& where) {
  const auto* integer = value.get<std::int64_t>();
  if (integer == nullptr || *integer < 0 || *integer > std::numeric_limits<std::uint32_t>::max()) {
    refuse(where, value.shown(), "an id of 32 bits");
  }
  return static_cast<std::uint32_t>(*integer);
}

std::string indexed(const std::string& where, std::size_t index) { return where + "[" + std::to_string(index) + "]"; }

std::vector<AddedToken> read_added_tokens(const json::Array& array) {
  std::vector<AddedToken> tokens;
  for (std::size_t i = 0; i < array.size(); ++i) {
    Part part(array[i], indexed("added_tokens", i));
    AddedToken token;
    token.id = token_id(part.value("id"), part.at("id"));
    token.content = part.text("content");
    if (token.content.empty()) refuse(part.at("content"), "empty", "a token");
    for (const char* flag : {"single_word", "lstrip", "rstrip"}) part.expect(flag, false);
    token.normalized = part.boolean("normalized");
    token.special = part.boolean("special");  // found in the text either way
    part.done();
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void read_normalizer(const json::Value& value, const std::string& where, std::vector<NormalizerStep>& steps) {
  if (value.is_null()) return;
  Part part(value, where);
  const std::string& type = part.text("type");
  if (type == "Sequence") {
    const json::Array& parts = part.array("normalizers");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      Part(parts[i], indexed(where, i));  // a null among the steps is no step
      read_normalizer(parts[i], indexed(where, i), steps);
    }
  } else if (type == "NFC") {
    steps.push_back(NormalizerStep::kNfc);
  } else if (type == "Lowercase") {
    steps.push_back(NormalizerStep::kLowercase);
  } else if (type == "Replace") {
    Part pattern(part.value("pattern"), part.at("pattern"));
    pattern.expect_text("Regex", "\\s+");
    pattern.done();
    part.expect_text("content", " ");
    steps.push_back(NormalizerStep::kCollapseSpaces);
  } else {
    refuse(part.at("type"), type, "NFC, Lowercase, Replace and Sequence");
  }
  part.done();
}

ClipSplit read_clip_split(const json::Array& parts, const std::string& where) {
  ClipSplit clip;
  if (parts.size() != 2) refuse(where, std::to_string(parts.size()) + " steps", "Split and ByteLevel");
  Part split(parts[0], indexed(where, 0));
  split.expect_text("type", "Split");
  Part pattern(split.value("pattern"), split.at("pattern"));
  const std::string& regex = pattern.text("Regex");
  clip.whole_tokens = regex == std::string(kWholeTokens) + kClipPattern;
  if (!clip.whole_tokens && regex != kClipPattern) refuse(pattern.at("Regex"), regex, kClipPattern);
  pattern.done();
  split.expect_text("behavior", "Removed");
  if (!split.boolean("invert")) refuse(split.at("invert"), "false", "true");
  split.done();
  Part bytes(parts[1], indexed(where, 1));
  bytes.expect_text("type", "ByteLevel");
  if (bytes.boolean("add_prefix_space")) refuse(bytes.at("add_prefix_space"), "true", "false");
  bytes.ignore({"trim_offsets"});
  clip.again = bytes.maybe("use_regex") == nullptr || bytes.boolean("use_regex");
  bytes.done();
  return clip;
}

std::variant<ClipSplit, WhitespaceSplit> read_split(const json::Value& value) {
  const std::string where = "pre_tokenizer";
  Part part(value, where);
  const std::string& type = part.text("type");
  std::variant<ClipSplit, WhitespaceSplit> split = WhitespaceSplit();
  if (type == "Sequence") {
    split = read_clip_split(part.array("pretokenizers"), where);
  } else if (type != "Whitespace") {
    refuse(part.at("type"), type, "Sequence and Whitespace");
  }
  part.done();
  return split;
}

// What is added before and behind every sentence; `pair` is for two sentences at once.
void read_template(Part& part, TokenizerConfig& config) {
  part.ignore({"pair"});
  std::map<std::string, std::vector<std::uint32_t>> ids;
  const auto& specials = part.get<json::Object>("special_tokens", "an object");
  for (const auto& [name, value] : specials) {
    Part special(value, part.at("special_tokens") + "." + name);
    special.ignore({"id", "tokens"});
    const json::Array& list = special.array("ids");
    for (const json::Value& id : list) ids[name].push_back(token_id(id, special.at("ids")));
    special.done();
  }
  bool seen = false;
  for (const json::Value& item : part.array("single")) {
    const json::Value* sequence = item.find("Sequence");
    const json::Value* special = item.find("SpecialToken");
    if ((sequence == nullptr) == (special == nullptr)) {
      refuse(part.at("single"), item.shown(), "Sequence and SpecialToken");
    }
    Part piece(sequence != nullptr ? *sequence : *special, part.at("single"));
    piece.ignore({"type_id"});
    if (sequence != nullptr) {
      if (seen) refuse(part.at("single"), "the sentence twice", "the sentence once");
      piece.expect_text("id", "A");
      seen = true;
    } else {
      const auto found = ids.find(piece.text("id"));
      if (found == ids.end()) refuse(piece.at("id"), piece.text("id"), "tokens of special_tokens");
      auto& side = seen ? config.suffix : config.prefix;
      side.insert(side.end(), found->second.begin(), found->second.end());
    }
    piece.done();
  }
  if (!seen) refuse(part.at("single"), "without the sentence", "the sentence once");
}

void read_post_processor(const json::Value& value, TokenizerConfig& config) {
  if (value.is_null()) return;
  Part part(value, "post_processor");
  const std::string& type = part.text("type");
  if (type == "TemplateProcessing") {
    read_template(part, config);
  } else if (type == "RobertaProcessing") {
    part.ignore({"trim_offsets", "add_prefix_space"});  // of positions in the text
    for (const char* name : {"cls", "sep"}) {
      const json::Array& pair = part.array(name);
      if (pair.size() != 2) refuse(part.at(name), part.value(name).shown(), "a token and its id");
      (name[0] == 'c' ? config.prefix : config.suffix).push_back(token_id(pair[1], part.at(name)));
    }
  } else {
    refuse(part.at("type"), type, "TemplateProcessing and RobertaProcessing");
  }
  part.done();
}

TokenIds read_vocabulary(Part& model) {
  const auto& object = model.get<json::Object>("vocab", "an object");
  TokenIds tokens;
  tokens.reserve(object.size());
  for (const auto& [token, id] : object) tokens.emplace_back(token, token_id(id, model.at("vocab")));
  return tokens;
}

std::pair<std::string, std::string> read_merge(const json::Value& value, const std::string& where) {
  if (const auto* pair = value.get<json::Array>()) {
    const auto* first = pair->size() == 2 ? (*pair)[0].get<std::string>() : nullptr;
    const auto* second = pair->size() == 2 ? (*pair)[1].get<std::string>() : nullptr;
    if (first != nullptr && second != nullptr) return {*first, *second};
  }
  if (const auto* line = value.get<std::string>()) {
    const std::size_t space = line->find(' ');
    if (space != std::string::npos && line->find(' ', space + 1) == std::string::npos) {
      return {line->substr(0, space), line->substr(space + 1)};
    }
  }
  refuse(where, value.shown(), "two tokens");
}

BpeConfig read_bpe(Part& part) {
  BpeConfig model;
  if (const json::Value* dropout = part.maybe("dropout"); dropout != nullptr && !dropout->is_null()) {
    const auto* rate = dropout->get<double>();
    if (rate == nullptr || *rate != 0) refuse(part.at("dropout"), dropout->shown(), "null");
  }
  if (const json::Value* prefix = part.maybe("continuing_subword_prefix"); prefix != nullptr && !prefix->is_null()) {
    part.expect_text("continuing_subword_prefix", "");
  }
  if (const json::Value* end = part.maybe("end_of_word_suffix"); end != nullptr && !end->is_null()) {
    model.end_of_word = part.text("end_of_word_suffix");
  }
  if (const json::Value* unknown = part.maybe("unk_token"); unknown != nullptr && !unknown->is_null()) {
    model.unknown = part.text("unk_token");
  }
  for (const char* flag : {"fuse_unk", "byte_fallback", "ignore_merges"}) part.expect(flag, false);
  model.vocabulary = read_vocabulary(part);
  const json::Array& merges = part.array("merges");
  model.merges.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    model.merges.push_back(read_merge(merges[i], part.at("merges")));
  }
  return model;
}

std::variant<BpeConfig, WordLevelConfig> read_model(const json::Value& value) {
  Part part(value, "model");
  const std::string& type = part.text("type");
  std::variant<BpeConfig, WordLevelConfig> model;
  if (type == "BPE") {
    model = read_bpe(part);
  } else if (type == "WordLevel") {
    WordLevelConfig words;
    words.unknown = part.text("unk_token");
    words.vocabulary = read_vocabulary(part);
    model = std::move(words);
  } else {
    refuse(part.at("type"), type, "BPE and WordLevel");
  }
  part.done();
  return model;
}

}  // namespace

TokenizerConfig parse_tokenizer_config(std::string_view text) {
  json::Value value;
  try {
    value = json::parse(text);
  } catch (const json::SyntaxError& error) {
    throw TokenizerConfigError(std::string("it is not JSON: ") + error.what(), kTokenizerAgain);
  }
  Part part(value, "it");
  part.expect_text("version", "1.0");
  // Nothing is decoded here, and sentences are neither cut nor filled up whatever the file says: the caller
  // refuses those that are too long, because their end would be lost.
  part.ignore({"truncation", "padding", "decoder"});
  TokenizerConfig config;
  config.added_tokens = read_added_tokens(part.array("added_tokens"));
  read_normalizer(part.value("normalizer"), "normalizer", config.normalizers);
  config.split = read_split(part.value("pre_tokenizer"));
  read_post_processor(part.value("post_processor"), config);
  config.model = read_model(part.value("model"));
  part.done();
  if (std::holds_alternative<ClipSplit>(config.split) != std::holds_alternative<BpeConfig>(config.model)) {
    throw TokenizerConfigError("its pre_tokenizer and model are not of one kind, where this runtime knows byte-level "
                               "BPE and words");
  }
  return config;
}

}  // namespace groupvit::detail
