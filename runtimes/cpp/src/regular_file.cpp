#include "regular_file.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <fstream>
#endif

namespace groupvit::detail {
namespace {

constexpr std::align_val_t kPage{4096};
// Systems read 2 GiB at once at most.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  throw std::system_error(error, std::generic_category(), path.u8string());
}

}  // namespace

Bytes::Bytes(std::size_t size)
    : data_(static_cast<unsigned char*>(::operator new(std::max<std::size_t>(size, 1), kPage))), size_(size) {}

void Bytes::Free::operator()(unsigned char* data) const { ::operator delete(data, kPage); }

#if defined(__unix__) || defined(__APPLE__)

struct RegularFile::Impl {
  int descriptor = -1;
  std::filesystem::path path;
  ~Impl() { close(descriptor); }
};

RegularFile::RegularFile(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a pipe waits for whoever writes into it.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) fail(path, errno);
  impl_.reset(new Impl{descriptor, path});
  struct stat facts{};
  if (fstat(descriptor, &facts) != 0) fail(path, errno);
  if (!S_ISREG(facts.st_mode)) fail(path, EINVAL);
  size_ = static_cast<std::uint64_t>(facts.st_size);
}

std::size_t RegularFile::read(void* data, std::size_t size) {
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t count =
        ::read(impl_->descriptor, static_cast<char*>(data) + filled, std::min(size - filled, kMostAtOnce));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(impl_->path, errno);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  return filled;
}

#else

struct RegularFile::Impl {
  std::ifstream stream;
  std::filesystem::path path;
};

RegularFile::RegularFile(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) fail(path, EINVAL);
  impl_.reset(new Impl{std::ifstream(path, std::ios::binary), path});
  if (!impl_->stream) fail(path, errno);
  size_ = std::filesystem::file_size(path);
}

std::size_t RegularFile::read(void* data, std::size_t size) {
  impl_->stream.read(static_cast<char*>(data), static_cast<std::streamsize>(size));
  if (impl_->stream.bad()) fail(impl_->path, EIO);
  return static_cast<std::size_t>(impl_->stream.gcount());
}

#endif

RegularFile::~RegularFile() = default;

std::string read_text(const std::filesystem::path& path, std::uint64_t limit) {
  RegularFile file(path);
  std::string text;
  // In steps: what grows while it is read has another size than it said.
  for (std::size_t step = 1 << 18; text.size() <= limit;) {
    const std::size_t start = text.size();
    text.resize(static_cast<std::size_t>(std::min<std::uint64_t>(start + step, limit + 1)));
    const std::size_t count = file.read(text.data() + start, text.size() - start);
    text.resize(start + count);
    if (count < step) break;
  }
  return text;
}

}  // namespace groupvit::detail
