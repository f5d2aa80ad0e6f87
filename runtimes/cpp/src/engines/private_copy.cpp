#include "engines/private_copy.hpp"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>

#include "error.hpp"

namespace groupvit::detail {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(GROUPVIT_ERROR_ENGINE, "the engine cannot be copied to where its runtime opens it",
              path.u8string() + ": " + std::strerror(errno), "a folder for temporary files with space",
              "free some, or TMPDIR=FOLDER moves the temporary files");
}

}  // namespace

PrivateCopy::PrivateCopy(const Bytes& contents, const std::filesystem::path& name) {
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  if (error) fail("the folder for temporary files");
  std::string pattern = (temporary / "groupvit-engine-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) fail(pattern);
  folder_ = pattern;
  path_ = folder_ / name;
  std::ofstream file(path_, std::ios::binary);
  file.write(reinterpret_cast<const char*>(contents.data()), static_cast<std::streamsize>(contents.size()));
  file.close();
  if (!file) {
    const int reason = errno;
    std::filesystem::remove_all(folder_, error);
    errno = reason;
    fail(path_);
  }
}

PrivateCopy::~PrivateCopy() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace groupvit::detail
