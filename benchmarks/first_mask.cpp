// A C++ program from its start to its first label map, as an application begins: bundle, words, image file.
// first_mask BUNDLE WORDS.safetensors IMAGE prints CLOCK_MONOTONIC in milliseconds.
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>

#include "groupvit/groupvit.hpp"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#include <stb/stb_image.h>

int main(int count, char** arguments) try {
  if (count != 4) return 2;
  const groupvit::Segmenter segmenter(arguments[1]);
  const groupvit::Vocabulary words = segmenter.open_vocabulary_file(arguments[2]);
  int width = 0, height = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(arguments[3], &width, &height, nullptr, 3), stbi_image_free);
  if (pixels == nullptr) return 1;
  const groupvit::Result result = segmenter.segment({pixels.get(), width, height}, words);
  const std::chrono::duration<double, std::milli> now = std::chrono::steady_clock::now().time_since_epoch();
  std::printf("%.6f\n", now.count());
  return result.labels() == nullptr ? 1 : 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
