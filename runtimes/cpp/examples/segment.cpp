// segment BUNDLE IMAGE NAME...: writes labels.png, whose pixel values are indices of the names, and overlay.png.
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "groupvit/groupvit.hpp"
#include "overlay.hpp"
#include "png_file.hpp"

#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s BUNDLE IMAGE NAME...\n", argv[0]);
    return 2;
  }
  try {
    int width = 0, height = 0;
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(stbi_load(argv[2], &width, &height, nullptr, 3),
                                                           stbi_image_free);
    if (pixels == nullptr) {
      std::fprintf(stderr, "%s: %s\n", argv[2], stbi_failure_reason());
      return 1;
    }

    const groupvit::Segmenter segmenter(argv[1]);
    const groupvit::Vocabulary words = segmenter.encode({argv + 3, argv + argc});
    const groupvit::Result result = segmenter.segment({pixels.get(), width, height}, words);

    const std::vector<std::string> names = result.names();
    const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    std::vector<std::size_t> found(names.size());
    for (std::size_t i = 0; i < count; ++i) ++found[result.labels()[i]];
    write_label_png("labels.png", width, height, result.labels(), names.size());
    const Rgb shown = overlay(pixels.get(), result.labels(), width, height, names, found);
    write_png("overlay.png", shown.width, shown.height, PNG_FORMAT_RGB, shown.values.data());

    if (!segmenter.warning().empty()) std::fprintf(stderr, "%s\n", segmenter.warning().c_str());
    std::printf("%s\n", segmenter.engine().c_str());
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::printf("%5.1f %%  %s\n", 100.0 * static_cast<double>(found[i]) / static_cast<double>(count),
                  names[i].c_str());
    }
    std::printf("labels.png: pixel values are indices of the names\noverlay.png: to look at\n");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
