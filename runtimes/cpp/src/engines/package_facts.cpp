#include "engines/package_facts.hpp"

#include <nlohmann/json.hpp>

#include "error.hpp"

namespace groupvit::detail {
namespace {

using Json = nlohmann::json;

Error refused(const std::string& got) {
  return Error(GROUPVIT_ERROR_BUNDLE, "the package's own description cannot be used", got,
               "device, machine, cpu_features, compute_capability, sentences, grouping, rebuild",
               "export the bundle again with this version of the toolkit");
}

const Json& field(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) throw refused(std::string("no ") + name);
  return *found;
}

std::string text_of(const Json& object, const char* name) {
  const Json& value = field(object, name);
  if (!value.is_string()) throw refused(std::string(name) + " is no text");
  return value.get<std::string>();
}

std::int64_t number_of(const Json& object, const char* name) {
  const Json& value = field(object, name);
  if (!value.is_number_unsigned()) throw refused(std::string(name) + " is no size");
  const auto number = value.get<std::uint64_t>();
  if (number < 1 || number > (1ull << 40)) throw refused(std::string(name) + " is out of range");
  return static_cast<std::int64_t>(number);
}

}  // namespace

PackageFacts parse_package_facts(const std::string& text) {
  try {
    const Json value = Json::parse(text);
    if (!value.is_object() || value.size() != 7) throw refused("another record than this one");
    PackageFacts facts;
    facts.device = text_of(value, "device");
    if (facts.device != "cpu" && facts.device != "cuda") throw refused("device " + facts.device);
    facts.machine = text_of(value, "machine");
    const Json& features = field(value, "cpu_features");
    if (!features.is_array()) throw refused("cpu_features is no list");
    for (const Json& feature : features) {
      if (!feature.is_string()) throw refused("a CPU feature is no text");
      facts.cpu_features.push_back(feature.get<std::string>());
    }
    if (!field(value, "compute_capability").is_null()) {
      facts.compute_capability = text_of(value, "compute_capability");
    }
    const Json& sentences = field(value, "sentences");
    if (!sentences.is_null()) {
      if (!sentences.is_object()) throw refused("sentences is no record");
      facts.sentences =
          PackageFacts::Sentences{number_of(sentences, "longest"), number_of(sentences, "token_ids")};
    }
    if (!field(value, "grouping").is_array()) throw refused("grouping is no list");
    facts.rebuild = text_of(value, "rebuild");
    return facts;
  } catch (const Json::exception& error) {
    throw refused(error.what());
  }
}

}  // namespace groupvit::detail
