// groupvit-bench-cpp: how fast a bundle is in C++, in the records of `groupvit bench`.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "record.hpp"
#include "statistics.hpp"

namespace groupvit::bench {
namespace {

const char* const kUsage =
    "usage: groupvit-bench-cpp BUNDLE --image FILE (--labels A,B | --vocab FILE) [--threads N] [--decode "
    "hf|paper]\n"
    "                          [--device cpu|cuda] [--rounds N] [--warm-up N] [--cold N] [--json FILE]\n"
    "Measures calls that take an image file and give a label map. --json writes what groupvit bench "
    "--compare reads.\n";

struct Arguments {
  Request request;
  std::size_t rounds = 100, warm_up = 5, cold = 5;
  std::string json;
  bool fresh = false;
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::size_t number(const std::string& option, const std::string& text, std::size_t least) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  if (text.empty() || text[0] == '-' || *end != '\0' || value < least || value > 1000000) {
    throw UsageError(option + " must be a number of at least " + std::to_string(least) + ", not " + text);
  }
  return value;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

Arguments parse(const std::vector<std::string>& given) {
  Arguments arguments;
  Request& request = arguments.request;
  for (std::size_t i = 1; i < given.size(); ++i) {
    const std::string& option = given[i];
    if (option == "--fresh") {
      arguments.fresh = true;
      continue;
    }
    if (option.compare(0, 2, "--") != 0) {
      if (!request.bundle.empty()) throw UsageError("one bundle, not " + request.bundle + " and " + option);
      request.bundle = option;
      continue;
    }
    if (i + 1 == given.size()) throw UsageError(option + " wants a value");
    const std::string& value = given[++i];
    if (option == "--image") {
      request.image = value;
    } else if (option == "--labels") {
      request.labels = split(value);
    } else if (option == "--vocab") {
      request.vocabulary = value;
    } else if (option == "--threads") {
      request.threads = static_cast<std::int64_t>(number(option, value, 1));
    } else if (option == "--decode") {
      request.decode = value;
    } else if (option == "--device") {
      request.device = value;
    } else if (option == "--rounds") {
      arguments.rounds = number(option, value, 3);
    } else if (option == "--warm-up") {
      arguments.warm_up = number(option, value, 0);
    } else if (option == "--cold") {
      arguments.cold = number(option, value, 0);
    } else if (option == "--json") {
      arguments.json = value;
    } else {
      throw UsageError("unknown option " + option);
    }
  }
  if (request.bundle.empty() || request.image.empty())
    throw UsageError("a bundle and --image are needed");
  if (request.labels.empty() == request.vocabulary.empty())
    throw UsageError("either --labels or --vocab is needed");
  return arguments;
}

void measure(const Arguments& arguments, const std::vector<std::string>& given) {
  Measurement measurement;
  measurement.request = arguments.request;
  measurement.load_before = load_average();
  for (const std::string& argument : given) {
    measurement.command += (measurement.command.empty() ? "" : " ") + argument;
  }
  if (arguments.cold > 0) {
    std::vector<std::string> fresh = given;
    fresh.emplace_back("--fresh");
    measurement.cold = cold_starts(fresh, arguments.cold);
  }
  detail::Session session(arguments.request.bundle, session_options(arguments.request));
  const detail::Vocabulary words = arguments.request.labels.empty()
                                       ? session.open_vocabulary_file(arguments.request.vocabulary)
                                       : session.encode(arguments.request.labels, std::nullopt);
  measurement.classes = words.names.size();
  for (std::size_t round = 0; round < arguments.warm_up; ++round)
    call_once(session, words, arguments.request);
  const double start = now_ms();
  std::vector<double> latencies;
  for (std::size_t round = 0; round < arguments.rounds; ++round) {
    measurement.calls.push_back(call_once(session, words, arguments.request));
    latencies.push_back(measurement.calls.back().whole);
  }
  measurement.seconds = (now_ms() - start) / 1000;
  const std::string record = record_of(measurement, session);
  const Summary latency = summarize(latencies);
  std::printf("%s\n%zu calls: p50 %.2f ms, p95 %.2f ms, %.2f images/s\n",
              session.engine_description().c_str(), latency.count, latency.p50, latency.p95,
              static_cast<double>(latency.count) / measurement.seconds);
  if (measurement.cold) std::printf("cold start: %.0f ms to the first mask\n", measurement.cold->total_ms);
  if (!arguments.json.empty()) {
    std::ofstream file(arguments.json, std::ios::binary);
    file << record << "\n";
    if (!file.flush()) throw std::runtime_error(arguments.json + " cannot be written");
  }
}

}  // namespace
}  // namespace groupvit::bench

int main(int argc, char** argv) {
  using namespace groupvit::bench;
  const double begin = now_ms();
  const std::vector<std::string> given(argv, argv + argc);
  try {
    const Arguments arguments = parse(given);
    if (arguments.fresh) {
      print_fresh(arguments.request, begin);
    } else {
      measure(arguments, given);
    }
    return 0;
  } catch (const UsageError& error) {
    std::cerr << error.what() << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
