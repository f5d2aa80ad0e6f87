// ONNX Runtime's telemetry, off for the environment that is made while this lives.
//
// Whether to collect is decided when the environment is made, from a variable of the process. The interface's
// `DisableTelemetryEvents` comes too late: by then there are an identifier and a database in the user's cache
// folder, and a thread that uploads. A variable that the user has set is left, whatever it says.
#pragma once

#include <cstdlib>
#include <mutex>

namespace groupvit::detail {

class TelemetryOff {
 public:
  TelemetryOff() : lock_(mutex()), ours_(std::getenv(kSwitch) == nullptr) {
    if (ours_) setenv(kSwitch, "1", 0);
  }
  ~TelemetryOff() {
    if (ours_) unsetenv(kSwitch);
  }
  TelemetryOff(const TelemetryOff&) = delete;
  TelemetryOff& operator=(const TelemetryOff&) = delete;

 private:
  static constexpr const char* kSwitch = "ORT_DISABLE_TELEMETRY";

  // Between the library's own threads; a host that reads or writes variables meanwhile sets this one itself.
  static std::mutex& mutex() {
    static std::mutex only;
    return only;
  }

  std::lock_guard<std::mutex> lock_;
  bool ours_;
};

}  // namespace groupvit::detail
