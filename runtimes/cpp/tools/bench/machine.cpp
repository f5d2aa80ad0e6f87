#include "machine.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <thread>

namespace groupvit::bench {
namespace {

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The first value of every key of /proc/cpuinfo.
std::map<std::string, std::string> cpu_facts() {
  std::map<std::string, std::string> facts;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos)
      facts.emplace(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  return facts;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  utsname names{};
  uname(&names);
  std::map<std::string, std::string> facts = cpu_facts();
  machine.cpu = facts.count("model name") != 0 ? facts["model name"] : names.machine;
  machine.architecture = names.machine;
  machine.system = names.sysname;
  machine.cores = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u));
  const long configured = sysconf(_SC_NPROCESSORS_ONLN);
  if (configured > 0) machine.cores = static_cast<int>(configured);
  machine.usable_cores = machine.cores;
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) machine.usable_cores = CPU_COUNT(&usable);
  // The instruction sets that the Python tool records.
  static const std::regex kInstructions("^(s?sse|avx|amx|fma|f16c|asimd|neon|sve|bf16|i8mm|sme[0-9]|sme$).*");
  std::istringstream flags(facts.count("flags") != 0 ? facts["flags"] : facts["Features"]);
  for (std::string flag; flags >> flag;) {
    if (std::regex_match(flag, kInstructions)) machine.flags.push_back(flag);
  }
  std::sort(machine.flags.begin(), machine.flags.end());
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page > 0) {
    machine.memory_mb = static_cast<long>(static_cast<long long>(pages) * page / (1 << 20));
  }
  return machine;
}

std::optional<double> load_average() {
  double average = 0;
  return getloadavg(&average, 1) == 1 ? std::optional<double>(average) : std::nullopt;
}

std::optional<double> peak_resident_mb() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace groupvit::bench
