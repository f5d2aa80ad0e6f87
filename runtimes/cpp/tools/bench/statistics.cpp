#include "statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace groupvit::bench {
namespace {

double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

Summary summarize(const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  Summary summary;
  summary.count = values.size();
  summary.p50 = percentile(sorted, 0.50);
  summary.p90 = percentile(sorted, 0.90);
  summary.p95 = percentile(sorted, 0.95);
  summary.p99 = percentile(sorted, 0.99);
  summary.minimum = sorted.front();
  summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  if (values.size() > 1)
    summary.standard_deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  summary.coefficient_of_variation = summary.standard_deviation / summary.mean;
  return summary;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile(values, 0.5);
}

double drift(const std::vector<double>& values) {
  const auto quarter = static_cast<std::ptrdiff_t>(std::max<std::size_t>(values.size() / 4, 1));
  return median({values.end() - quarter, values.end()}) / median({values.begin(), values.begin() + quarter});
}

}  // namespace groupvit::bench
