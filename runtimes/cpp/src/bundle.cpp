#include "bundle.hpp"

#include <system_error>
#include <utility>

#include "error.hpp"

namespace groupvit::detail {

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
