// Kernels that TensorRT-RTX compiled for this GPU, kept between processes: one file for an engine, a version and a
// GPU in the user's cache folder, the one that the Python runtime uses. It may be deleted at any time.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace groupvit::detail {

// Empty where the user has no folder for caches.
std::filesystem::path runtime_cache_path(const std::string& sha256, const std::string& version,
                                         const std::string& compute_capability);

// Empty where there is none.
std::vector<char> read_runtime_cache(const std::filesystem::path& path);

// Whole or not at all; a folder that cannot be written costs a later process its time and is no error.
void write_runtime_cache(const std::filesystem::path& path, const void* data, std::size_t size);

}  // namespace groupvit::detail
