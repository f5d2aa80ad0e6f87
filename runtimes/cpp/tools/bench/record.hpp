// A line of JSON as `groupvit bench --json` writes it, and reads it back with --compare.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fresh.hpp"
#include "machine.hpp"
#include "subject.hpp"

namespace groupvit::bench {

struct Measurement {
  std::string command;
  Request request;
  std::vector<Call> calls;
  double seconds = 0;  // of all calls together
  std::size_t classes = 0;
  std::optional<double> load_before;
  std::optional<ColdStart> cold;
};

std::string record_of(const Measurement& measurement, const detail::Session& session);

}  // namespace groupvit::bench
