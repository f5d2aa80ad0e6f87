// segment BUNDLE IMAGE NAME...: writes labels.png, whose pixel values are indices of the names, and overlay.png.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "groupvit/groupvit.hpp"
#include "palette_png.hpp"
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

    const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    std::vector<std::size_t> found(words.size());
    std::vector<std::uint8_t> overlay = image.rgb;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint16_t label = result.labels()[i];
      ++found[label];
      for (int c = 0; c < 3; ++c) overlay[3 * i + c] = (overlay[3 * i + c] + class_color(label)[c]) / 2;
    }
    write_palette_png("labels.png", width, height, result.labels());
    write_rgb_png("overlay.png", width, height, overlay.data());

    std::printf("%s\n%s", segmenter.engine().c_str(), segmenter.warning().c_str());
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::printf("%5.1f %%  %s\n", 100.0 * static_cast<double>(found[i]) / static_cast<double>(count),
                  argv[3 + i]);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
