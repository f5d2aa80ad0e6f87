// segment BUNDLE IMAGE NAME...: writes labels.png, whose pixel values are indices of the names, and overlay.png.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "groupvit/groupvit.hpp"
#include "overlay.hpp"
#include "png_file.hpp"
#include "read_image.hpp"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s BUNDLE IMAGE NAME...\n", argv[0]);
    return 2;
  }
  try {
    const Pixels image = read_image(argv[2]);
    const int width = image.width, height = image.height;
    const groupvit::Segmenter segmenter(argv[1]);
    const groupvit::Vocabulary words = segmenter.encode({argv + 3, argv + argc});
    const groupvit::Result result = segmenter.segment({image.rgb.data(), width, height}, words);

    const std::vector<std::string> names = result.names();
    const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    std::vector<std::size_t> found(names.size());
    for (std::size_t i = 0; i < count; ++i) ++found[result.labels()[i]];
    write_label_png("labels.png", width, height, result.labels(), names);
    const Rgb shown = overlay(image.rgb.data(), result.labels(), width, height, names, found);
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
