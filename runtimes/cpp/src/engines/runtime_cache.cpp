#include "engines/runtime_cache.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <system_error>

namespace groupvit::detail {
namespace {

std::filesystem::path user_cache() {
  if (const char* const folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0')
    return folder;
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".cache";
  }
  return {};
}

}  // namespace

std::filesystem::path runtime_cache_path(const std::string& sha256, const std::string& version,
                                         const std::string& compute_capability) {
  const std::filesystem::path folder = user_cache();
  if (folder.empty()) return {};
  return folder / "groupvit" / "tensorrt-rtx" /
         (sha256.substr(0, 32) + "-" + version + "-" + compute_capability + ".cache");
}

std::vector<char> read_runtime_cache(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_runtime_cache(const std::filesystem::path& path, const void* data, std::size_t size) {
  if (path.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) return;
  const std::filesystem::path draft = path.string() + "." + std::to_string(std::random_device{}());
  std::ofstream file(draft, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  file.close();
  if (file) std::filesystem::rename(draft, path, error);
  if (!file || error) std::filesystem::remove(draft, error);
}

}  // namespace groupvit::detail
