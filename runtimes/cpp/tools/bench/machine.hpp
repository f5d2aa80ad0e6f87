// What a measurement was made on; the record of groupvit_export.benchmark.machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace groupvit::bench {

struct Machine {
  std::string cpu;
  std::string architecture;
  int cores = 1;
  int usable_cores = 1;
  std::vector<std::string> flags;
  std::optional<long> memory_mb;
  std::string system;
};

Machine this_machine();
std::optional<double> load_average();
// MiB.
std::optional<double> peak_resident_mb();

}  // namespace groupvit::bench
