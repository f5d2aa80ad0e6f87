#include "fresh.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <locale>
#include <sstream>
#include <stdexcept>

#include "decimal.hpp"
#include "machine.hpp"
#include "statistics.hpp"

extern char** environ;

namespace groupvit::bench {
namespace {

constexpr int kWarmCalls = 5;

struct Start {
  double load, first_mask, total, warm_mask, peak, masked_at;
};

std::string output_of(const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe for a fresh process");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  pid_t child = 0;
  const int spawned = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char buffer[512];
  for (ssize_t size = 0; spawned == 0 && (size = read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  close(ends[0]);
  int status = 1;
  if (spawned != 0 || waitpid(child, &status, 0) != child || status != 0) {
    throw std::runtime_error("a fresh process could not segment; leave the cold starts away: --cold 0");
  }
  return text;
}

}  // namespace

void print_fresh(const Request& request, double begin) {
  detail::Session session(request.bundle, session_options(request));
  const double loaded = now_ms();
  const detail::Vocabulary words = request.labels.empty() ? session.open_vocabulary_file(request.vocabulary)
                                                          : session.encode(request.labels, std::nullopt);
  call_once(session, words, request);
  const double masked = now_ms();
  std::vector<double> warm;
  for (int call = 0; call < kWarmCalls; ++call) warm.push_back(call_once(session, words, request).whole);
  std::string line;
  for (const double number : {loaded - begin, masked - loaded, masked - begin, median(warm),
                              peak_resident_mb().value_or(-1), masked}) {
    line += (line.empty() ? "" : " ") + detail::decimal_text(number, 17);
  }
  std::puts(line.c_str());
}

ColdStart cold_starts(const std::vector<std::string>& arguments, std::size_t processes) {
  std::vector<double> load, first, total, warm, peak;
  for (std::size_t number = 0; number < processes; ++number) {
    Start start{};
    const std::string text = output_of(arguments);
    std::istringstream numbers(text);
    numbers.imbue(std::locale::classic());
    if (!(numbers >> start.load >> start.first_mask >> start.total >> start.warm_mask >> start.peak >>
          start.masked_at)) {
      throw std::runtime_error("a fresh process printed something else: " + text);
    }
    load.push_back(start.load);
    first.push_back(start.first_mask);
    total.push_back(start.total);
    warm.push_back(start.warm_mask);
    peak.push_back(start.peak);
  }
  ColdStart cold;
  cold.processes = processes;
  cold.load_ms = median(load);
  cold.first_mask_ms = median(first);
  cold.total_ms = median(total);
  cold.slowest_total_ms = *std::max_element(total.begin(), total.end());
  cold.warm_mask_ms = median(warm);
  const double most = *std::max_element(peak.begin(), peak.end());
  if (most >= 0) cold.peak_resident_mb = most;
  return cold;
}

}  // namespace groupvit::bench
