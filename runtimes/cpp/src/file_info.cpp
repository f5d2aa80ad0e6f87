// Files of a bundle: that they are inside it, whole, and the ones that were exported.
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "error.hpp"
#include "manifest.hpp"
#include "sha256.hpp"

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void unreadable(const fs::path& file, const std::string& reason) {
  throw Error(GROUPVIT_ERROR_BUNDLE, "a file of the bundle cannot be read", file.u8string() + ": " + reason,
              "a file that this process may read", "copy the bundle again, or export it again");
}

// Slashes too many and dots count for nothing, as in Python's paths.
fs::path joined(fs::path root, const std::string& path) {
  for (const fs::path& part : fs::u8path(path)) {
    if (!part.empty() && part != ".") root /= part;
  }
  return root;
}

// Without links, as far as it exists.
fs::path resolve(const fs::path& path, std::error_code& error) {
  const fs::path whole = fs::absolute(path, error);
  return error ? fs::path() : fs::weakly_canonical(whole, error);
}

bool is_below(const fs::path& path, const fs::path& root) {
  auto part = path.begin();
  for (const fs::path& expected : root) {
    if (expected.empty()) continue;  // what follows a slash at the end
    if (part == path.end() || *part != expected) return false;
    ++part;
  }
  return true;
}

void check_size(const FileInfo& info, const fs::path& file, std::uintmax_t size) {
  if (info.bytes >= 0 && size == static_cast<std::uintmax_t>(info.bytes)) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "a file of the bundle is truncated or was changed",
              file.u8string() + " has " + std::to_string(size) + " bytes", std::to_string(info.bytes) + " bytes",
              "copy the bundle again, or export it again");
}

}  // namespace

fs::path FileInfo::locate(const fs::path& root) const {
  const fs::path file = joined(root, path);
  std::error_code error;
  const fs::path real_root = resolve(root.empty() ? fs::path(".") : root, error);
  const fs::path real = error ? fs::path() : resolve(file, error);
  if (error) unreadable(file, error.message());
  if (!is_below(real, real_root)) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "a file of the bundle is a link that leaves it",
                path + " -> " + real.u8string(), "a file below " + root.u8string(),
                "copy the bundle with its files, not links to them");
  }
  if (!fs::is_regular_file(file, error)) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "a file of the bundle is missing", "no " + file.u8string(),
                path + ", " + std::to_string(bytes) + " bytes", "copy the whole folder, or export it again");
  }
  const std::uintmax_t size = fs::file_size(file, error);
  if (error) unreadable(file, error.message());
  check_size(*this, file, size);
  return file;
}

Bytes FileInfo::load(const fs::path& root) const {
  const fs::path file = locate(root);
  try {
    RegularFile stream(file);
    // Before anything is allocated by a number that the manifest has.
    check_size(*this, file, stream.size());
    Bytes contents(static_cast<std::size_t>(bytes));
    check_size(*this, file, stream.read(contents.data(), contents.size()));
    return contents;
  } catch (const std::system_error& error) {
    unreadable(file, error.code().message());
  }
}

void FileInfo::check(const Bytes& contents, const fs::path& root) const {
  Sha256 hash;
  hash.update(contents.data(), contents.size());
  const std::string digest = hash.hex_digest();
  if (digest == sha256) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "a file of the bundle is not the one that was exported",
              joined(root, path).u8string() + " has sha256 " + digest, "sha256 " + sha256,
              "copy the bundle again, or export it again");
}

Bytes FileInfo::read(const fs::path& root) const {
  Bytes contents = load(root);
  check(contents, root);
  return contents;
}

}  // namespace groupvit::detail
