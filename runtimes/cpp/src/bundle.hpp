// A bundle's folder on disk.
#pragma once

#include <filesystem>

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

}  // namespace groupvit::detail
