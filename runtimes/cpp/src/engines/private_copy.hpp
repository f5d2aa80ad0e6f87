// A file of the bundle for a library that takes paths only.
#pragma once

#include <filesystem>

#include "regular_file.hpp"

namespace groupvit::detail {

// Lies in a temporary folder that is this user's alone, as long as this object lives.
class PrivateCopy {
 public:
  // Throws Error(GROUPVIT_ERROR_ENGINE) where it cannot be written.
  PrivateCopy(const Bytes& contents, const std::filesystem::path& name);
  ~PrivateCopy();
  PrivateCopy(const PrivateCopy&) = delete;
  PrivateCopy& operator=(const PrivateCopy&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path folder_, path_;
};

}  // namespace groupvit::detail
