#include "record.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "groupvit/groupvit.h"
#include "sha256.hpp"
#include "statistics.hpp"

namespace groupvit::bench {
namespace {

using Json = nlohmann::ordered_json;

// Those of groupvit_export.benchmark.steadiness and .stages.
constexpr double kLoadLimit = 0.25, kVariationLimit = 0.10, kDriftLimit = 0.10, kRestLimit = 0.02;
constexpr std::size_t kP99Calls = 100;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Of the manifest as the toolkit wrote it, without cached vocabularies.
std::string manifest_sha256(const std::string& bundle) {
  std::string text = text_of(bundle + "/manifest.json");
  const std::string key = "\n  \"vocabularies\": [";
  const std::size_t start = text.find(key);
  if (start != std::string::npos && text.compare(start + key.size(), 1, "]") != 0) {
    const std::size_t end = text.find("\n  ]", start);
    if (end != std::string::npos) text.replace(start, end + 4 - start, key + "]");
  }
  detail::Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex_digest();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &parts);
  return text;
}

std::string fresh_name() {
  std::random_device random;
  std::string name;
  for (int part = 0; part < 4; ++part) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(random()));
    name += digits;
  }
  return name;
}

Json image_facts(const std::string& path) {
  const detail::RgbImage image = read_file(path);
  const std::string text = text_of(path);
  const char* const kind = text.compare(0, 4, "\x89PNG") == 0    ? "PNG"
                           : text.compare(0, 2, "\xFF\xD8") == 0 ? "JPEG"
                                                                 : "unknown";
  return {{"name", std::filesystem::path(path).filename().string()},
          {"height", image.size.height},
          {"width", image.size.width},
          {"format", kind},
          {"bytes", text.size()},
          {"resized", false}};
}

Json summary_json(const Summary& s) {
  return {{"count", s.count},
          {"p50", s.p50},
          {"p90", s.p90},
          {"p95", s.p95},
          {"p99", s.p99},
          {"minimum", s.minimum},
          {"mean", s.mean},
          {"standard_deviation", s.standard_deviation},
          {"coefficient_of_variation", s.coefficient_of_variation}};
}

Json no_stage(const char* name, const char* reason) {
  return {{"name", name}, {"mean", nullptr}, {"median", nullptr}, {"share", nullptr}, {"reason", reason}};
}

template <typename Part>
Json stage(const char* name, const std::vector<Call>& calls, double whole, Part part) {
  std::vector<double> times;
  for (const Call& call : calls) times.push_back(part(call));
  const double mean = summarize(times).mean;
  return {{"name", name},
          {"mean", mean},
          {"median", median(times)},
          {"share", mean / whole},
          {"reason", nullptr}};
}

Json stages_json(const std::vector<Call>& calls, double whole, const std::string& device) {
  const char* const copies = device == "cuda" ? "part of the engine's time: not measured apart"
                                              : "not applicable on CPU: there is no device to copy to";
  return Json::array({no_stage("wait", "calls are not scheduled without --rate"),
                      stage("read", calls, whole, [](const Call& c) { return c.read; }),
                      stage("preprocess", calls, whole, [](const Call& c) { return c.preprocess; }),
                      no_stage("host_to_device", copies),
                      stage("engine", calls, whole, [](const Call& c) { return c.engine; }),
                      no_stage("device_to_host", copies),
                      stage("postprocess", calls, whole, [](const Call& c) { return c.postprocess; }),
                      stage("rest", calls, whole, [](const Call& c) {
                        return c.whole - c.read - c.preprocess - c.engine - c.postprocess;
                      })});
}

Json caution(const char* kind, double severity, const std::string& text) {
  return {{"kind", kind}, {"severity", severity}, {"text", text}};
}

std::string printed(const char* form, double first, double second) {
  char text[200];
  std::snprintf(text, sizeof text, form, first, second);
  return text;
}

Json cautions_json(const Measurement& m, const Summary& own, const Json& stages, double drifted,
                   const Machine& machine) {
  Json found = Json::array();
  const double limit = kLoadLimit * machine.usable_cores;
  if (m.load_before && *m.load_before > limit) {
    found.push_back(caution("busy", *m.load_before,
                            printed("the machine was busy before the start: load average %.2f, limit %.2f",
                                    *m.load_before, limit)));
  }
  if (own.coefficient_of_variation > kVariationLimit) {
    found.push_back(
        caution("unsteady", own.coefficient_of_variation,
                printed("the calls vary by %.0f%%, limit %.0f%%: something else was running, or the clock "
                        "frequency changed",
                        own.coefficient_of_variation * 100, kVariationLimit * 100)));
  }
  if (std::fabs(drifted - 1) > kDriftLimit) {
    found.push_back(
        caution("drift", std::fabs(drifted - 1),
                printed("its time changed while it was measured: the last quarter took %.2f times the "
                        "first (limit %.2f either way)",
                        drifted, kDriftLimit)));
  }
  const double rest = std::fabs(stages.back().at("share").get<double>());
  if (rest > kRestLimit) {
    found.push_back(
        caution("unexplained", rest,
                printed("%.1f%% of the time is in no stage, limit %.0f%%", rest * 100, kRestLimit * 100)));
  }
  const auto workers = static_cast<double>(m.request.threads > 0 ? m.request.threads : 1);
  if (workers > machine.usable_cores) {
    found.push_back(caution("crowded", workers,
                            printed("%.0f threads share %.0f usable cores", workers, machine.usable_cores)));
  }
  if (m.calls.size() < kP99Calls) {
    const auto calls = static_cast<double>(m.calls.size());
    found.push_back(caution(
        "few", -calls,
        printed("%.0f calls are too few for a p99: it is close to the slowest of them%.0s", calls, 0)));
  }
  return found;
}

Json cold_json(const std::optional<ColdStart>& cold) {
  if (!cold) return nullptr;
  return {{"processes", cold->processes},       {"import_ms", 0.0},
          {"load_ms", cold->load_ms},           {"first_mask_ms", cold->first_mask_ms},
          {"total_ms", cold->total_ms},         {"slowest_total_ms", cold->slowest_total_ms},
          {"warm_mask_ms", cold->warm_mask_ms}, {"peak_resident_mb", or_null(cold->peak_resident_mb)}};
}

}  // namespace

std::string record_of(const Measurement& m, const detail::Session& session) {
  const detail::Manifest& manifest = session.manifest();
  const detail::EngineInfo& image = manifest.engine("image");
  const Machine machine = this_machine();
  std::vector<double> latencies;
  Json rounds = Json::array();
  for (const Call& call : m.calls) {
    latencies.push_back(call.whole);
    rounds.push_back(Json::array({call.whole}));
  }
  const Summary latency = summarize(latencies);
  const double drifted = drift(latencies);
  const Json stages = stages_json(m.calls, latency.mean, m.request.device);
  std::filesystem::path folder = std::filesystem::absolute(m.request.bundle).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  const double limit = kLoadLimit * machine.usable_cores;
  Json record;
  record["schema_version"] = 1;
  record["run"] = fresh_name();
  record["created"] = utc_now();
  record["command"] = m.command;
  record["bundle"] = {{"name", folder.filename().string()},
                      {"path", m.request.bundle},
                      {"target", image.target},
                      {"precision", image.precision},
                      {"image_size", {manifest.model.image_size.height, manifest.model.image_size.width}},
                      {"fingerprint", manifest.fingerprint},
                      {"manifest_sha256", manifest_sha256(m.request.bundle)}};
  record["engine"] = session.engine_description();
  record["setting"] = {{"threads", m.request.threads > 0 ? Json(m.request.threads) : Json(nullptr)},
                       {"batch", 1},
                       {"streams", 1},
                       {"rate", nullptr}};
  record["device"] = m.request.device.empty() ? Json(nullptr) : Json(m.request.device);
  record["decode"] = session.default_decode();
  record["classes"] = m.classes;
  record["image"] = image_facts(m.request.image);
  record["latency"] = summary_json(latency);
  record["images_per_second"] = static_cast<double>(m.calls.size()) / m.seconds;
  record["drift"] = drifted;
  record["stages"] = stages;
  record["late"] = nullptr;
  record["cold"] = cold_json(m.cold);
  record["accuracy"] = nullptr;
  record["steadiness"] = {{"load_before", or_null(m.load_before)},
                          {"load_limit", limit},
                          {"busy", m.load_before && *m.load_before > limit},
                          {"variation", latency.coefficient_of_variation},
                          {"variation_limit", kVariationLimit},
                          {"unsteady", latency.coefficient_of_variation > kVariationLimit}};
  record["cautions"] = cautions_json(m, latency, stages, drifted, machine);
  record["machine"] = {{"cpu", machine.cpu},      {"architecture", machine.architecture},
                       {"cores", machine.cores},  {"usable_cores", machine.usable_cores},
                       {"flags", machine.flags},  {"memory_mb", or_null(machine.memory_mb)},
                       {"system", machine.system}};
  record["versions"] = {{"groupvit-cpp", groupvit_version()}};
  record["rounds"] = rounds;
  return record.dump();
}

}  // namespace groupvit::bench
