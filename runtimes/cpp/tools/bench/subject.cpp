#include "subject.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#include <stb/stb_image.h>

namespace groupvit::bench {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

detail::SessionOptions session_options(const Request& request) {
  detail::SessionOptions options;
  options.engine.device = request.device;
  options.engine.threads = request.threads;
  options.decode = request.decode;
  options.batch_size = 1;
  return options;
}

detail::RgbImage read_file(const std::string& path) {
  int width = 0, height = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(stbi_load(path.c_str(), &width, &height, nullptr, 3),
                                                         stbi_image_free);
  if (pixels == nullptr)
    throw std::runtime_error(path + " cannot be read as an image: " + stbi_failure_reason());
  const std::size_t bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  return {{height, width}, {pixels.get(), pixels.get() + bytes}};
}

Call call_once(detail::Session& session, const detail::Vocabulary& words, const Request& request) {
  detail::StageTimes times;
  const double start = now_ms();
  detail::RgbImage image = read_file(request.image);
  const double read = now_ms();
  const detail::Segmentation result = session.segment(std::move(image), words, {}, std::nullopt, &times);
  const double end = now_ms();
  return {end - start, read - start, times.preprocess * 1000, times.engine * 1000, times.postprocess * 1000};
}

}  // namespace groupvit::bench
