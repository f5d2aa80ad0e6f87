#include "processors.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "decimal.hpp"

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

// Of files that the kernel writes, and of nothing else: words of one short line.
std::vector<std::string> words_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> words;
  for (std::string word; file >> word;) words.push_back(word);
  return words;
}

std::optional<double> ratio(const std::string& quota, const std::string& period) {
  const std::optional<double> above = parse_decimal(quota), below = parse_decimal(period);
  if (!above || !below || *above <= 0 || *below <= 0) return std::nullopt;
  return *above / *below;
}

std::optional<double> second_version(const fs::path& folder) {
  const std::vector<std::string> words = words_of(folder / "cpu.max");
  if (words.size() != 2 || words[0] == "max") return std::nullopt;
  return ratio(words[0], words[1]);
}

std::optional<double> first_version(const fs::path& folder) {
  const std::vector<std::string> quota = words_of(folder / "cpu.cfs_quota_us");
  const std::vector<std::string> period = words_of(folder / "cpu.cfs_period_us");
  if (quota.size() != 1 || period.size() != 1 || quota[0] == "-1") return std::nullopt;
  return ratio(quota[0], period[0]);
}

// A container may see its own group as the root, and its path is then not there.
std::vector<fs::path> with_parents(const fs::path& root, const std::string& group) {
  std::vector<fs::path> folders{root};
  for (const fs::path& part : fs::path(group).relative_path()) {
    if (part == "..") break;
    folders.push_back(folders.back() / part);
  }
  return folders;
}

bool names_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& membership, const fs::path& root) {
  std::ifstream file(membership);
  std::optional<double> least;
  const auto take = [&](std::optional<double> quota) {
    if (quota && (!least || *quota < *least)) least = quota;
  };
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {
      for (const fs::path& folder : with_parents(root, group)) take(second_version(folder));
    } else if (names_cpu(controllers)) {
      for (const char* name : {"cpu,cpuacct", "cpu"}) {
        for (const fs::path& folder : with_parents(root / name, group)) take(first_version(folder));
      }
    }
  }
  return least;
}

std::size_t usable_cores() {
  const std::size_t allowed = std::max(std::thread::hardware_concurrency(), 1u);
  const std::optional<double> quota = cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  if (!quota || *quota >= static_cast<double>(allowed)) return allowed;
  return static_cast<std::size_t>(std::ceil(*quota));
}

}  // namespace groupvit::detail
