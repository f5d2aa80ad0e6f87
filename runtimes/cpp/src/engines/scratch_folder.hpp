// Temporary work that somebody owns, where and as `groupvit_runtime.temporary` has it: in `groupvit-UID` among the
// system's temporary files, locked for as long as it is in use. Whoever makes a folder there, in C++ or in Python,
// first removes those of processes that ended.
#pragma once

#include <filesystem>

#include "process.hpp"

namespace groupvit::detail {

class ScratchFolder {
 public:
  // Throws std::system_error where it cannot be made, or the place is another user's.
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  OwningProcess owner_;
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace groupvit::detail
