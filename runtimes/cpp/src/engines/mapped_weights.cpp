#include "engines/mapped_weights.hpp"

#include <cerrno>
#include <system_error>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <fstream>
#endif

namespace groupvit::detail {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  throw std::system_error(error, std::generic_category(), path.string());
}

}  // namespace

#if defined(__unix__) || defined(__APPLE__)

MappedWeights::MappedWeights(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, errno);
  struct stat facts{};
  const bool known = fstat(file, &facts) == 0;
  if (!known || facts.st_size <= 0) {
    const int error = known ? EINVAL : errno;
    close(file);
    fail(path, error);
  }
  size_ = static_cast<std::size_t>(facts.st_size);
  // Writable, for runtimes take no const memory; private, so that no write could reach the file.
  data_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  const int error = errno;
  close(file);
  if (data_ == MAP_FAILED) fail(path, error);
}

MappedWeights::~MappedWeights() { munmap(data_, size_); }

void MappedWeights::release() { madvise(data_, size_, MADV_DONTNEED); }

#else

MappedWeights::MappedWeights(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  read_.resize(static_cast<std::size_t>(std::filesystem::file_size(path)));
  if (read_.empty() || !file.read(read_.data(), static_cast<std::streamsize>(read_.size()))) fail(path, EIO);
  data_ = read_.data();
  size_ = read_.size();
}

MappedWeights::~MappedWeights() = default;

void MappedWeights::release() {}

#endif

}  // namespace groupvit::detail
