#include "text_encoder.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "engines/support.hpp"
#include "error.hpp"

namespace groupvit::detail {
namespace {

constexpr std::int64_t kBatch = 64;
constexpr std::size_t kShown = 60;
const char* const kInput = "input_ids";
const char* const kOutput = "text_embeds";

const FileInfo& tokenizer_of(const Manifest& manifest) {
  if (manifest.tokenizer) return *manifest.tokenizer;
  std::string names;
  for (const VocabularyInfo& vocabulary : manifest.vocabularies)
    names += (names.empty() ? "" : ", ") + vocabulary.name;
  throw Error(GROUPVIT_ERROR_BUNDLE,
              "the bundle has no tokenizer, so it knows the words of its vocabularies only",
              "vocabularies: " + (names.empty() ? "none" : names), "one of these instead of labels",
              "export the bundle with --tokenizer PATH");
}

// At most so many bytes, never half a character.
std::string shortened(const std::string& sentence) {
  if (sentence.size() <= kShown) return sentence;
  std::size_t end = kShown - 3;
  while (end > 0 && (static_cast<unsigned char>(sentence[end]) & 0xC0) == 0x80) --end;
  return sentence.substr(0, end) + "...";
}

// Refuses two names whose sentences are the same to the model; `encoded` has those of a name together.
void check_distinct(const std::vector<std::string>& names, const std::vector<std::vector<std::int64_t>>& encoded) {
  const std::size_t templates = encoded.size() / names.size();
  std::map<std::vector<std::vector<std::int64_t>>, std::size_t> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto first = encoded.begin() + static_cast<std::ptrdiff_t>(i * templates);
    const auto [other, is_new] = seen.emplace(
        std::vector<std::vector<std::int64_t>>(first, first + static_cast<std::ptrdiff_t>(templates)), i);
    if (is_new) continue;
    throw Error(GROUPVIT_ERROR_LABEL, "two labels are the same to the tokenizer; a pixel could not say which of the two it is",
                "'" + shortened(names[other->second]) + "' and '" + shortened(names[i]) + "'",
                "names that the model reads differently", "remove one of them");
  }
}

void check_words(const Tokenizer& tokenizer, const std::string& sentence) {
  const std::optional<std::string> special = tokenizer.special_token_in(sentence);
  if (!special) return;
  throw Error(GROUPVIT_ERROR_LABEL, "a label has a token that is no word: the model would not see what comes after it",
              *special + " in '" + shortened(sentence) + "'", "words", "write the label without it");
}

}  // namespace

void check_templates(const std::vector<std::string>& templates) {
  if (templates.empty()) {
    throw Error(GROUPVIT_ERROR_LABEL, "no prompt template was given", "none", "at least one",
                "pass templates, for instance \"a photo of a {}.\", or NULL for the bundle's own");
  }
  // What could not be filled is no template.
  for (const std::string& prompt : templates) fill_prompt(prompt, {});
}

TextEncoder::TextEncoder(const Bundle& bundle, const EngineOptions& options, const EngineLoader& loader)
    : fingerprint_(bundle.manifest.fingerprint),
      max_length_(bundle.manifest.model.text_max_length),
      pad_id_(bundle.manifest.model.text_pad_id),
      width_(bundle.manifest.model.projection_dim),
      batch_(std::min(kBatch, bundle.manifest.engine("text").max_batch().value_or(kBatch))),
      tokenizer_(tokenizer_of(bundle.manifest).read(bundle.root).text(), "tokenizer.json",
                 bundle.manifest.text_cleaning) {
  const EngineInfo& info = bundle.manifest.engine("text");
  output_info(info, kOutput);
  engine_ = loader(info, bundle.root, options);
}

Vocabulary TextEncoder::encode(const std::vector<std::string>& names,
                               const std::vector<std::string>& templates) const {
  const Tensor ids = token_ids(names, templates);
  const std::int64_t sentences = ids.shape[0], length = ids.shape[1];
  std::vector<float> embeddings;
  embeddings.reserve(element_count({sentences, width_}));
  for (std::int64_t start = 0; start < sentences; start += batch_) {
    const std::int64_t count = std::min(batch_, sentences - start);
    const auto first = ids.as<std::int64_t>().begin() + start * length;
    Tensors inputs;
    inputs[kInput] = {{count, length}, std::vector<std::int64_t>(first, first + count * length)};
    const Tensors outputs = engine_->run(inputs, {kOutput});
    const Tensor& output = outputs.at(kOutput);
    if (output.shape != Shape{count, width_} || !std::holds_alternative<std::vector<float>>(output.values)) {
      throw Error(GROUPVIT_ERROR_ENGINE, "text_embeds from the engine cannot be used",
                  dtype_name(output) + (" " + to_text(output.shape)), "float32 " + to_text({count, width_}),
                  "export the bundle again");
    }
    const auto& values = output.as<float>();
    embeddings.insert(embeddings.end(), values.begin(), values.end());
  }
  Vocabulary vocabulary;
  vocabulary.embeddings = average_templates(embeddings, static_cast<std::int64_t>(names.size()), width_);
  vocabulary.names = names;
  vocabulary.width = width_;
  vocabulary.templates = templates;
  vocabulary.fingerprint = fingerprint_;
  return vocabulary;
}

// int64 [names * templates, length], filled up to the longest.
Tensor TextEncoder::token_ids(const std::vector<std::string>& names,
                              const std::vector<std::string>& templates) const {
  std::vector<std::vector<std::int64_t>> encoded;
  encoded.reserve(names.size() * templates.size());
  std::size_t longest = 0;
  for (const std::string& name : names) {
    for (const std::string& prompt : templates) {
      const std::string sentence = fill_prompt(prompt, name);
      check_words(tokenizer_, sentence);
      encoded.push_back(tokenizer_.encode(sentence));
      const std::size_t length = encoded.back().size();
      if (static_cast<std::int64_t>(length) > max_length_) {
        throw Error(GROUPVIT_ERROR_LABEL, "a label is too long for the text encoder",
                    std::to_string(length) + " tokens: '" + shortened(sentence) + "'",
                    "at most " + std::to_string(max_length_) + " tokens, start and end included",
                    "shorten the label; nothing is cut off silently, because the end would be lost");
      }
      longest = std::max(longest, length);
    }
  }
  check_distinct(names, encoded);
  const Shape shape = {static_cast<std::int64_t>(encoded.size()), static_cast<std::int64_t>(longest)};
  std::vector<std::int64_t> ids(element_count(shape), pad_id_);
  auto row = ids.begin();
  for (const auto& sentence : encoded) {
    std::copy(sentence.begin(), sentence.end(), row);
    row += static_cast<std::ptrdiff_t>(longest);
  }
  return {shape, std::move(ids)};
}

}  // namespace groupvit::detail
