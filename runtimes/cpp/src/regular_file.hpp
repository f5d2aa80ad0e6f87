// Files that somebody else wrote: files, and no pipes, devices or sockets, which may make the reader wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace groupvit::detail {

// Bytes at the start of a page, not set to anything; the system gives memory where it is written to. It belongs to this
// process alone: whoever changes the file that they were read from changes nothing here.
class Bytes {
 public:
  explicit Bytes(std::size_t size);

  unsigned char* data() { return data_.get(); }
  const unsigned char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data()), size()}; }

 private:
  struct Free {
    void operator()(unsigned char* data) const;
  };
  std::unique_ptr<unsigned char, Free> data_;
  std::size_t size_;
};

// A file that is open, or a link to one. Throws std::system_error where it cannot be opened or is no regular file.
class RegularFile {
 public:
  explicit RegularFile(const std::filesystem::path& path);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  // Of what is open, whatever the path leads to by now.
  std::uint64_t size() const { return size_; }
  // How many bytes there were up to `size`. Throws std::system_error.
  std::size_t read(void* data, std::size_t size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::uint64_t size_ = 0;
};

// All of a file; at most `limit` bytes and one, by which a caller knows that there are more.
std::string read_text(const std::filesystem::path& path, std::uint64_t limit);

}  // namespace groupvit::detail
