// A bundle that is measured, and one call of it: an image file in, a label map out.
#pragma once

#include <string>

#include "session.hpp"

namespace groupvit::bench {

struct Request {
  std::string bundle;
  std::string image;
  std::string vocabulary;  // a file; empty where labels are given
  std::vector<std::string> labels;
  std::string device;  // empty for the bundle's usual one
  std::string decode;  // empty for the bundle's own
  std::int64_t threads = 0;
};

// Milliseconds.
struct Call {
  double whole = 0, read = 0, preprocess = 0, engine = 0, postprocess = 0;
};

detail::SessionOptions session_options(const Request& request);

// Throws std::runtime_error for a file that is no image.
detail::RgbImage read_file(const std::string& path);

Call call_once(detail::Session& session, const detail::Vocabulary& words, const Request& request);

// Milliseconds since some fixed moment, the same for all processes.
double now_ms();

}  // namespace groupvit::bench
