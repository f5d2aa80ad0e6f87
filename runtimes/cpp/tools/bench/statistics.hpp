// Numbers that stand for many; those of groupvit_export.benchmark.statistics.
#pragma once

#include <cstddef>
#include <vector>

namespace groupvit::bench {

// Of `count` values, in their unit. Percentiles are interpolated linearly.
struct Summary {
  std::size_t count = 0;
  double p50 = 0, p90 = 0, p95 = 0, p99 = 0, minimum = 0, mean = 0;
  double standard_deviation = 0;        // of a sample; 0 for a single value
  double coefficient_of_variation = 0;  // the same over the mean
};

// Both want at least one value.
Summary summarize(const std::vector<double>& values);
double median(std::vector<double> values);
// Median of the last quarter over that of the first, in the order measured.
double drift(const std::vector<double>& values);

}  // namespace groupvit::bench
