// Errors inside the library; the C interface turns them into a status and a message.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include "groupvit/groupvit.h"

namespace groupvit::detail {

// Says what happened, what was there, what was expected and what mends it, like GroupViTError of the
// Python runtime; empty parts are left out of the message.
class Error : public std::runtime_error {
 public:
  Error(groupvit_status status, const std::string& what, const std::string& got = {},
        const std::string& expected = {}, const std::string& fix = {})
      : std::runtime_error(
            without_zeros(what + part("got", got) + part("expected", expected) + part("fix", fix))),
        status_(status) {}

  groupvit_status status() const noexcept { return status_; }

 private:
  static std::string part(const char* label, const std::string& value) {
    return value.empty() ? std::string() : "\n  " + std::string(label) + ": " + value;
  }

  // A message ends at its first zero, and what is quoted in one may have some.
  static std::string without_zeros(std::string message) {
    for (std::size_t zero = message.find('\0'); zero != std::string::npos; zero = message.find('\0', zero)) {
      message.replace(zero, 1, "\\0");
    }
    return message;
  }

  groupvit_status status_;
};

}  // namespace groupvit::detail
