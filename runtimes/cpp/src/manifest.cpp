#include "manifest.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "ascii.hpp"
#include "error.hpp"
#include "json.hpp"
#include "manifest_consistency.hpp"
#include "manifest_fields.hpp"
#include "record.hpp"
#include "regular_file.hpp"
#include "sha256.hpp"

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

constexpr char kManifestName[] = "manifest.json";
constexpr char kExportAgain[] = "export the bundle again";
constexpr char kExport[] = "groupvit export --target openvino -o my-bundle";
// Up to this version the schema was one number, and the file had no `format`.
constexpr std::int64_t kLastUnmarked = 4;
// What may be in `requires`, since 5.1: sentences are cleaned as NVlabs' tokenizer does.
constexpr char kNvlabsTextCleaning[] = "nvlabs_text_cleaning";

void check_engines(const std::vector<EngineInfo>& engines) {
  std::vector<std::string> roles;
  bool have_files = true;
  for (const EngineInfo& engine : engines) {
    roles.push_back(engine.role);
    have_files = have_files && !engine.files.empty();
  }
  const std::string got = record::listed(roles);
  std::sort(roles.begin(), roles.end());
  if (have_files && std::adjacent_find(roles.begin(), roles.end()) == roles.end()) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "the engines of the manifest contradict each other", got,
              "one image and one text engine, each with its files", kExportAgain);
}

Manifest to_manifest(ManifestRecord&& record) {
  Manifest manifest;
  manifest.name = std::move(record.name);
  manifest.fingerprint = std::move(record.fingerprint);
  manifest.verdict = std::move(record.verdict);
  manifest.model = std::move(record.model);
  manifest.engines = std::move(record.engines);
  manifest.alternatives = std::move(record.alternatives);
  manifest.measured = std::move(record.measured);
  manifest.tokenizer = std::move(record.tokenizer);
  if (!record.requirements.empty()) manifest.text_cleaning = TextCleaning::kNvlabs;
  manifest.prompts = std::move(record.prompts);
  manifest.hf = record.preprocessing.hf;
  manifest.paper = record.preprocessing.paper;
  manifest.default_decode = std::move(record.decode.default_decode);
  manifest.paper_decode = record.decode.paper;
  manifest.vocabularies = std::move(record.vocabularies);
  return manifest;
}

template <typename T>
const T* member(const json::Value* value, const char* name) {
  const json::Value* found = value == nullptr ? nullptr : value->find(name);
  return found == nullptr ? nullptr : found->get<T>();
}

bool is_unmarked(const json::Value& value) {
  const auto* version = member<std::int64_t>(&value, "schema_version");
  return version != nullptr && 1 <= *version && *version <= kLastUnmarked && value.find("format") == nullptr &&
         value.find("toolkit_version") != nullptr && value.find("checkpoint") != nullptr &&
         value.find("engines") != nullptr;
}

void check_schema(const json::Value& value, const std::string& where) {
  const std::string expected = std::to_string(SchemaVersion().major) + ".x";
  const json::Value* version = value.find("schema_version");
  const std::string got = "schema_version " + (version == nullptr ? "null" : version->shown()) + " in " + where;
  if (is_unmarked(value)) {
    const auto* command = member<std::string>(&value, "command");
    const bool typed = command != nullptr && command->rfind("groupvit ", 0) == 0;
    throw Error(GROUPVIT_ERROR_BUNDLE, "the bundle has an older schema version than this runtime reads", got, expected,
                "make it anew with this toolkit: " + (typed ? *command : kExport));
  }
  const auto* format = member<std::string>(&value, "format");
  if (format == nullptr || *format != kFormat) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "this manifest.json is not the manifest of a bundle", where,
                std::string("an object with \"format\": \"") + kFormat + "\"", kExport);
  }
  const auto* major = member<std::int64_t>(version, "major");
  if (major == nullptr || *major != SchemaVersion().major) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "the bundle has a schema version that this runtime does not know", got, expected,
                "export the bundle again with this toolkit, or install the version that wrote it");
  }
}

// Whatever a later minor version adds that must not be ignored is named in `requires`.
void check_requirements(const json::Value& value) {
  const auto* names = member<json::Array>(&value, "requires");
  if (names == nullptr) return;
  const auto is_unknown = [](const json::Value& name) {
    const auto* text = name.get<std::string>();
    return text == nullptr || *text != kNvlabsTextCleaning;
  };
  const auto unknown = std::find_if(names->begin(), names->end(), is_unknown);
  if (unknown == names->end()) return;
  const SchemaVersion schema;
  throw Error(GROUPVIT_ERROR_BUNDLE, "the bundle requires what this runtime does not have", unknown->shown(),
              "what schema " + std::to_string(schema.major) + "." + std::to_string(schema.minor) + " describes",
              "install a newer version of this library, or export the bundle again with this toolkit");
}

[[noreturn]] void unreadable(const fs::path& path, const std::string& reason) {
  throw Error(GROUPVIT_ERROR_BUNDLE, "the manifest cannot be read", path.u8string() + ": " + reason, {},
              kExportAgain);
}

// The digest of the bundle whose manifest is `text`.
std::string checked_digest(const std::string& text, std::string expected, const fs::path& path) {
  Sha256 hash;
  hash.update(text.data(), text.size());
  const std::string found = hash.hex_digest();
  if (expected.empty()) return found;
  std::transform(expected.begin(), expected.end(), expected.begin(), to_ascii_lower);
  if (expected.size() != found.size() || expected.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Error(GROUPVIT_ERROR_USAGE, "this is not the digest of a bundle", "'" + expected.substr(0, 80) + "'",
                "64 hexadecimal digits",
                "groupvit inspect BUNDLE, or sha256sum BUNDLE/manifest.json, where the bundle is trusted");
  }
  if (found == expected) return found;
  throw Error(GROUPVIT_ERROR_BUNDLE, "this is not the bundle that was asked for",
              path.u8string() + " with digest " + found, expected,
              "get the bundle again from where it was exported; or, if it was changed on purpose, as by groupvit vocab "
              "--add, ask for its new digest");
}

}  // namespace

std::optional<std::int64_t> EngineInfo::max_batch() const {
  std::optional<std::int64_t> smallest;
  if (!tensorrt) {
    for (const TensorInfo& tensor : inputs) {
      const bool in_batches = tensor.name == "pixel_values" || tensor.name == "pixels" || tensor.name == "input_ids";
      if (!in_batches || tensor.shape.empty() || tensor.shape.front() <= 0) continue;
      smallest = std::min(smallest.value_or(tensor.shape.front()), tensor.shape.front());
    }
    return smallest;
  }
  for (const ProfileInfo& profile : tensorrt->profiles) {
    smallest = std::min(smallest.value_or(profile.max.front()), profile.max.front());
  }
  return smallest;
}

bool EngineInfo::takes(std::string_view input) const {
  return std::any_of(inputs.begin(), inputs.end(), [&](const TensorInfo& tensor) { return tensor.name == input; });
}

const EngineInfo& Manifest::engine(std::string_view role) const {
  std::vector<std::string> roles;
  for (const EngineInfo& each : engines) {
    if (each.role == role) return each;
    roles.push_back(each.role);
  }
  throw Error(GROUPVIT_ERROR_BUNDLE, "the bundle has no " + std::string(role) + " engine", record::listed(roles),
              std::string(role), kExportAgain);
}

std::vector<const EngineInfo*> Manifest::image_engines() const {
  std::vector<const EngineInfo*> found = {&engine("image")};
  for (const EngineInfo& each : alternatives) found.push_back(&each);
  return found;
}

Manifest parse_manifest(std::string_view text, const std::string& where) {
  json::Value value;
  try {
    value = json::parse(text);
  } catch (const json::SyntaxError& error) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "the manifest is not JSON", where + ": " + error.what(), {},
                "copy or export the bundle again");
  }
  check_schema(value, where);
  check_requirements(value);
  ManifestRecord record;
  record::decode(record, value, "manifest");
  check_engines(record.engines);
  Manifest manifest = to_manifest(std::move(record));
  check_consistency(manifest);
  return manifest;
}

Manifest read_manifest(const fs::path& root, const std::string& digest) {
  const fs::path path = root / kManifestName;
  std::error_code error;
  if (fs::status(path, error).type() == fs::file_type::not_found) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "this is not a bundle",
                std::string("no ") + kManifestName + " in " + root.u8string(),
                "a folder written by `groupvit export`", kExport);
  }
  std::string text;
  try {
    text = read_text(path, kMaxManifestBytes);
  } catch (const std::system_error& reason) {
    unreadable(path, reason.code().message());
  }
  if (text.size() > kMaxManifestBytes) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "the manifest is too large to be one",
                "more than " + std::to_string(kMaxManifestBytes) + " bytes",
                "at most " + std::to_string(kMaxManifestBytes), kExportAgain);
  }
  const std::string found = checked_digest(text, digest, path);
  Manifest manifest = parse_manifest(text, path.u8string());
  manifest.digest = found;
  return manifest;
}

}  // namespace groupvit::detail
