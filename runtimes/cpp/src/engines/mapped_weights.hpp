// A file of weights in memory whose pages can be given back to the system.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace groupvit::detail {

// For a runtime that copies weights into a layout of its own: it reads the file while it compiles and hardly
// again, but what it read stays resident as long as a mapping does. Where the system has no mappings the file is
// read instead, and `release` does nothing.
class MappedWeights {
 public:
  // The file must not be empty, nor change while this object lives. Throws std::system_error.
  explicit MappedWeights(const std::filesystem::path& path);
  ~MappedWeights();
  MappedWeights(const MappedWeights&) = delete;
  MappedWeights& operator=(const MappedWeights&) = delete;

  // To be read only: a write may be lost with the next `release`.
  void* data() { return data_; }
  std::size_t size() const { return size_; }

  // Drops the pages that are resident; what is read all the same comes back from the file.
  void release();

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::vector<char> read_;  // where there are no mappings
};

}  // namespace groupvit::detail
