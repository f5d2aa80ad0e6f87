#include "competition.hpp"

#include <set>
#include <utility>

#include "error.hpp"
#include "label_key.hpp"
#include "utf8.hpp"

namespace groupvit::detail {
namespace {

constexpr std::size_t kMaxNames = 65536;

std::u32string key_of(const std::string& name) { return label_key(decode_utf8(name).value_or(std::u32string())); }

void refuse(const Vocabulary& words, const char* reserved, const std::string& what, const std::string& fix) {
  const std::u32string key = key_of(reserved);
  for (const std::string& name : words.names) {
    if (key_of(name) != key) continue;
    throw Error(GROUPVIT_ERROR_LABEL, std::string(reserved) + " is both " + what, "'" + name + "'", "one of the two", fix);
  }
}

void check_apart(const Vocabulary& labels, const Vocabulary& negatives) {
  std::set<std::u32string> keys;
  for (const std::string& name : labels.names) keys.insert(key_of(name));
  for (const std::string& name : negatives.names) {
    if (keys.count(key_of(name)) == 0) continue;
    throw Error(GROUPVIT_ERROR_LABEL, "a name is both a label and a negative", "'" + name + "'",
                "negatives that are none of the labels", "remove it from one of the two");
  }
}

std::shared_ptr<const Vocabulary> joined(std::shared_ptr<const Vocabulary> labels, const Vocabulary* negatives) {
  if (negatives == nullptr) return labels;
  auto words = std::make_shared<Vocabulary>(*labels);
  words->names.insert(words->names.end(), negatives->names.begin(), negatives->names.end());
  words->embeddings.insert(words->embeddings.end(), negatives->embeddings.begin(), negatives->embeddings.end());
  return words;
}

}  // namespace

Competition::Competition(std::shared_ptr<const Vocabulary> labels, std::shared_ptr<const Vocabulary> negatives,
                         std::optional<double> threshold, bool background)
    : labels_(labels->names.size()), threshold_(threshold), background_(background) {
  if (background) {
    refuse(*labels, kBackground, "a label and what the threshold makes", "remove the label, or the threshold");
    if (negatives != nullptr)
      refuse(*negatives, kBackground, "a negative and what the threshold makes", "remove the negative, or the threshold");
  }
  if (threshold || negatives != nullptr)
    refuse(*labels, kUnlabeled, "a label and what pixels are called that are none of the labels", "name the label otherwise");
  if (negatives != nullptr) check_apart(*labels, *negatives);
  words_ = joined(std::move(labels), negatives.get());
  if (reported() + (abstains() ? 1 : 0) > kMaxNames) {
    throw Error(GROUPVIT_ERROR_LABEL, "there are more names than a label map of 16 bits can tell apart",
                std::to_string(reported() + 1) + ", background and unlabeled included",
                "at most " + std::to_string(kMaxNames), "fewer labels");
  }
}

std::vector<std::string> Competition::score_names() const {
  std::vector<std::string> names = words_->names;
  if (background_) names.insert(names.begin(), kBackground);
  return names;
}

std::vector<std::string> Competition::names() const {
  std::vector<std::string> names = score_names();
  names.resize(reported());
  if (abstains()) names.emplace_back(kUnlabeled);
  return names;
}

std::optional<std::uint16_t> Competition::unlabeled() const {
  if (!abstains()) return std::nullopt;
  return static_cast<std::uint16_t>(reported());
}

}  // namespace groupvit::detail
