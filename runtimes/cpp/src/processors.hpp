// How many processors this process may use; groupvit_runtime.processors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>

namespace groupvit::detail {

// By its affinity and by the quota of its control group; at least one.
std::size_t usable_cores();

// Processors' worth of time, the least of the groups that `membership` names below `root`; none without a limit.
std::optional<double> cpu_quota(const std::filesystem::path& membership, const std::filesystem::path& root);

}  // namespace groupvit::detail
