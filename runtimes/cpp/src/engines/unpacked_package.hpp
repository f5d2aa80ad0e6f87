// A package of AOTInductor, unpacked where libtorch opens it. Unpacked by libtorch it would lie among the system's
// temporary files for good where the process is killed.
#pragma once

#include <filesystem>

#include "engines/scratch_folder.hpp"
#include "regular_file.hpp"

namespace groupvit::detail {

class UnpackedPackage {
 public:
  // Throws c10::Error where it is no package, Error(GROUPVIT_ERROR_ENGINE) where it cannot be written.
  explicit UnpackedPackage(const Bytes& package);

  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  ScratchFolder folder_;
};

}  // namespace groupvit::detail
