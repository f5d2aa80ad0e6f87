#include "engines/unpacked_package.hpp"

#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <tuple>

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

class InMemory final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit InMemory(const Bytes& data) : data_(data) {}

  size_t size() const override { return data_.size(); }

  size_t read(std::uint64_t position, void* out, size_t count, const char*) const override {
    if (position >= data_.size()) return 0;
    const size_t there = std::min<size_t>(count, data_.size() - position);
    std::memcpy(out, data_.data() + position, there);
    return there;
  }

 private:
  const Bytes& data_;
};

bool leaves(const fs::path& name) {
  return name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end();
}

void write(const fs::path& path, const void* data, std::size_t size) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) throw std::system_error(error, path.string());
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  file.close();
  if (!file) throw std::system_error(errno != 0 ? errno : EIO, std::generic_category(), path.string());
}

}  // namespace

UnpackedPackage::UnpackedPackage(const Bytes& package) {
  caffe2::serialize::PyTorchStreamReader reader(std::make_shared<InMemory>(package));
  const fs::path root = folder_.path() / "package";
  std::size_t left = package.size();
  for (const std::string& name : reader.getAllRecords()) {
    // Stored, not compressed: what is written is no more than what was read.
    const std::size_t size = reader.getRecordSize(name);
    TORCH_CHECK(!leaves(name), "a member leaves the archive: ", name);
    TORCH_CHECK(size <= left, "its members are larger than the archive");
    left -= size;
    const auto [data, read] = reader.getRecord(name);
    write(root / name, data.get(), read);
  }
}

}  // namespace groupvit::detail
