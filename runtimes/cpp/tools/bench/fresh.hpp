// Cold starts in fresh processes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "subject.hpp"

namespace groupvit::bench {

// Medians over processes, in milliseconds; `import_ms` of groupvit bench is 0 here: main() is the first line.
struct ColdStart {
  std::size_t processes = 0;
  double load_ms = 0, first_mask_ms = 0, total_ms = 0, slowest_total_ms = 0, warm_mask_ms = 0;
  std::optional<double> peak_resident_mb;
};

// One start, inside a fresh process: prints load, first mask, total, warm mask, peak, and the clock at the first mask.
void print_fresh(const Request& request, double begin);

// Runs this program `processes` times with --fresh. Throws std::runtime_error where one fails.
ColdStart cold_starts(const std::vector<std::string>& arguments, std::size_t processes);

}  // namespace groupvit::bench
