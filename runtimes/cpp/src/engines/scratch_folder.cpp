#include "engines/scratch_folder.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "sha256.hpp"

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

constexpr int kTries = 10;
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

[[noreturn]] void fail(const fs::path& path, int error) {
  throw std::system_error(error, std::generic_category(), path.string());
}

// Over a network file system one machine does not see another's locks: the name tells the system whose they are.
std::string prefix_of_system() {
  std::ifstream boot("/proc/sys/kernel/random/boot_id", std::ios::binary);
  std::string name{std::istreambuf_iterator<char>(boot), std::istreambuf_iterator<char>()};
  if (name.empty()) {
    utsname machine{};
    uname(&machine);
    name = machine.nodename;
  }
  Sha256 hash;
  hash.update(name.data(), name.size());
  return hash.hex_digest().substr(0, 8) + "-";
}

fs::path place_of_user() {
  const fs::path place = fs::temp_directory_path() / ("groupvit-" + std::to_string(geteuid()));
  if (mkdir(place.c_str(), S_IRWXU) != 0 && errno != EEXIST) fail(place, errno);
  struct stat facts{};
  if (lstat(place.c_str(), &facts) != 0) fail(place, errno);
  if (!S_ISDIR(facts.st_mode) || facts.st_uid != geteuid() || (facts.st_mode & kOthersWrite) != 0)
    fail(place, EPERM);
  return place;
}

bool is_at(int descriptor, const fs::path& path) {
  struct stat open_now{}, named{};
  return fstat(descriptor, &open_now) == 0 && lstat(path.c_str(), &named) == 0 && open_now.st_dev == named.st_dev &&
         open_now.st_ino == named.st_ino;
}

bool is_own(int descriptor, const fs::path& path) {
  // Without locks nobody can take it for dead.
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  return is_at(descriptor, path);
}

void clear_dead(const fs::path& place, const std::string& prefix) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(place, ignored)) {
    struct stat facts{};
    if (entry.path().filename().string().rfind(prefix, 0) != 0 || lstat(entry.path().c_str(), &facts) != 0 ||
        facts.st_uid != geteuid() || !(S_ISDIR(facts.st_mode) || S_ISREG(facts.st_mode)))
      continue;
    const int descriptor = open(entry.path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_at(descriptor, entry.path()))
      fs::remove_all(entry.path(), ignored);
    close(descriptor);
  }
}

}  // namespace

ScratchFolder::ScratchFolder() {
  const std::string prefix = prefix_of_system();
  for (int left = kTries;; --left) {
    const fs::path place = place_of_user();
    clear_dead(place, prefix);
    std::string name = (place / (prefix + "XXXXXX")).string();
    // Another process may remove the place, empty for a moment, or take the folder before it is locked.
    if (mkdtemp(name.data()) == nullptr) {
      if (errno == ENOENT && left > 0) continue;
      fail(name, errno);
    }
    descriptor_ = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    path_ = name;
    if (descriptor_ >= 0 && is_own(descriptor_, path_)) return;
    const int reason = descriptor_ < 0 ? errno : EAGAIN;
    if (descriptor_ >= 0) close(descriptor_);
    if (left == 0 || (reason != ENOENT && reason != EAGAIN)) {
      rmdir(path_.c_str());
      fail(path_, reason);
    }
  }
}

ScratchFolder::~ScratchFolder() {
  // A forked child has a copy of this, and the parent uses the folder.
  if (owner_.is_here()) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    rmdir(path_.parent_path().c_str());
  }
  close(descriptor_);
}

}  // namespace groupvit::detail
