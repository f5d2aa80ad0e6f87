#include "engines/package_facts.hpp"

#include "error.hpp"
#include "json.hpp"

namespace groupvit::detail {
namespace {

Error refused(const std::string& got) {
  return Error(GROUPVIT_ERROR_BUNDLE, "the package's own description cannot be used", got,
               "device, machine, cpu_features, compute_capability, sentences, grouping, rebuild",
               "export the bundle again with this version of the toolkit");
}

const json::Value& field(const json::Value& object, const char* name) {
  const json::Value* found = object.find(name);
  if (found == nullptr) throw refused(std::string("no ") + name);
  return *found;
}

std::string text_of(const json::Value& object, const char* name) {
  const auto* text = field(object, name).get<std::string>();
  if (text == nullptr) throw refused(std::string(name) + " is no text");
  return *text;
}

std::int64_t number_of(const json::Value& object, const char* name) {
  const auto* number = field(object, name).get<std::int64_t>();
  if (number == nullptr) throw refused(std::string(name) + " is no size");
  if (*number < 1 || *number > (std::int64_t{1} << 40)) throw refused(std::string(name) + " is out of range");
  return *number;
}

}  // namespace

PackageFacts parse_package_facts(const std::string& text) {
  try {
    const json::Value value = json::parse(text);
    const auto* members = value.get<json::Object>();
    if (members == nullptr || members->size() != 7) throw refused("another record than this one");
    PackageFacts facts;
    facts.device = text_of(value, "device");
    if (facts.device != "cpu" && facts.device != "cuda") throw refused("device " + facts.device);
    facts.machine = text_of(value, "machine");
    const auto* features = field(value, "cpu_features").get<json::Array>();
    if (features == nullptr) throw refused("cpu_features is no list");
    for (const json::Value& feature : *features) {
      const auto* name = feature.get<std::string>();
      if (name == nullptr) throw refused("a CPU feature is no text");
      facts.cpu_features.push_back(*name);
    }
    if (!field(value, "compute_capability").is_null()) {
      facts.compute_capability = text_of(value, "compute_capability");
    }
    const json::Value& sentences = field(value, "sentences");
    if (!sentences.is_null()) {
      if (sentences.get<json::Object>() == nullptr) throw refused("sentences is no record");
      facts.sentences =
          PackageFacts::Sentences{number_of(sentences, "longest"), number_of(sentences, "token_ids")};
    }
    if (field(value, "grouping").get<json::Array>() == nullptr) throw refused("grouping is no list");
    facts.rebuild = text_of(value, "rebuild");
    return facts;
  } catch (const json::SyntaxError& error) {
    throw refused(error.what());
  }
}

}  // namespace groupvit::detail
