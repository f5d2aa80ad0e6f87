// A bundle's folder on disk.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "manifest.hpp"

namespace groupvit::detail {

// Sizes of all files are checked, contents not yet.
struct Bundle {
  std::filesystem::path root;
  Manifest manifest;
};

// Throws Error(GROUPVIT_ERROR_BUNDLE) for what is none, damaged, incomplete, zipped, or of another schema.
// `digest` as for read_manifest.
Bundle open_bundle(const std::filesystem::path& path, const std::string& digest = {});

// Calls `load`, which opens the bundle and reads from it; again where another took its place meanwhile, since the
// manifest is the old one then and the files are the new one's.
void load_from_bundle(const std::filesystem::path& path, const std::function<void()>& load);

}  // namespace groupvit::detail
