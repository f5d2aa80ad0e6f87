#include "bundle.hpp"

#include <system_error>
#include <utility>

#include "error.hpp"
#include "regular_file.hpp"

namespace groupvit::detail {
namespace {

constexpr int kTries = 10;

// Empty where it cannot be read, which `load` has an error for.
std::string manifest_now(const std::filesystem::path& folder) {
  try {
    return read_text(folder / "manifest.json", kMaxManifestBytes);
  } catch (const std::system_error&) {
    return {};
  }
}

}  // namespace

void load_from_bundle(const std::filesystem::path& path, const std::function<void()>& load) {
  for (int left = kTries - 1;; --left) {
    const std::string before = manifest_now(path);
    try {
      load();
      return;
    } catch (const Error& error) {
      if (error.status() != GROUPVIT_ERROR_BUNDLE || left == 0 || manifest_now(path) == before) throw;
    }
  }
}

Bundle open_bundle(const std::filesystem::path& path, const std::string& digest) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "a file is not a bundle that this library opens", path.u8string(),
                "the folder that `groupvit export` wrote",
                "where it is a zipped bundle, unpack it: unzip FILE -d my-bundle");
  }
  Bundle bundle{path, read_manifest(path, digest)};
  const Manifest& manifest = bundle.manifest;
  for (const EngineInfo& engine : manifest.engines) {
    for (const FileInfo& file : engine.files) file.locate(path);
    if (engine.source) engine.source->locate(path);
  }
  for (const VocabularyInfo& vocabulary : manifest.vocabularies) vocabulary.file.locate(path);
  if (manifest.tokenizer) manifest.tokenizer->locate(path);
  return bundle;
}

}  // namespace groupvit::detail
