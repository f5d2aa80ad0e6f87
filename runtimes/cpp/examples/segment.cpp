// segment BUNDLE IMAGE [OPTION...] NAME...: writes labels.png, whose pixel values are indices of the names, and
// overlay.png.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "groupvit/groupvit.hpp"
#include "overlay.hpp"
#include "png_file.hpp"
#include "read_image.hpp"

namespace {

const char* const kUsage =
    "usage: %s BUNDLE IMAGE [OPTION...] NAME...\n"
    "  --threshold SCORE  pixels whose best score is below it are unlabeled; 0 to 1\n"
    "  --negative NAME    competes with the names, and its pixels are unlabeled; may come again\n"
    "  --heatmap NAME     write heatmap.png as well, the score of a name: 255 is 1\n";

struct Arguments {
  std::vector<std::string> names, negatives;
  std::optional<double> threshold;
  std::string heatmap;
};

Arguments parsed(const std::vector<std::string>& given) {
  Arguments found;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& option = given[i];
    if (option.rfind("--", 0) != 0) {
      found.names.push_back(option);
      continue;
    }
    if (++i == given.size()) throw std::invalid_argument(option + " wants a value");
    if (option == "--threshold") {
      char* end = nullptr;
      found.threshold = std::strtod(given[i].c_str(), &end);
      if (given[i].empty() || *end != 0) throw std::invalid_argument("a threshold is a number, not " + given[i]);
    } else if (option == "--negative") {
      found.negatives.push_back(given[i]);
    } else if (option == "--heatmap") {
      found.heatmap = given[i];
    } else {
      throw std::invalid_argument("there is no option " + option);
    }
  }
  return found;
}

void write_heatmap(groupvit::Result& result, const std::string& name) {
  const std::vector<std::string> names = result.score_names();
  const auto place = std::find(names.begin(), names.end(), name);
  if (place == names.end()) throw std::invalid_argument("no name is " + name);
  const std::vector<float> scores = result.heatmap(static_cast<std::size_t>(place - names.begin()));
  std::vector<std::uint8_t> gray(scores.size());
  std::transform(scores.begin(), scores.end(), gray.begin(),
                 [](float score) { return static_cast<std::uint8_t>(score * 255 + 0.5f); });
  write_png("heatmap.png", static_cast<int>(result.width()), static_cast<int>(result.height()), PNG_FORMAT_GRAY,
            gray.data());
  std::printf("heatmap.png: the score of %s\n", name.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, kUsage, argv[0]);
    return 2;
  }
  try {
    const Arguments arguments = parsed({argv + 3, argv + argc});
    const Pixels image = read_image(argv[2]);
    const int width = image.width, height = image.height;
    const groupvit::Segmenter segmenter(argv[1]);
    const groupvit::Vocabulary words = segmenter.encode(arguments.names);
    std::optional<groupvit::Vocabulary> negatives;
    if (!arguments.negatives.empty()) negatives = segmenter.encode(arguments.negatives);
    groupvit::Options options;
    options.threshold = arguments.threshold;
    options.negatives = negatives ? &*negatives : nullptr;
    groupvit::Result result = segmenter.segment({image.rgb.data(), width, height}, words, options);

    const std::vector<std::string> names = result.names();
    const bool unlabeled = result.unlabeled().has_value();
    const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    std::vector<std::size_t> found(names.size());
    for (std::size_t i = 0; i < count; ++i) ++found[result.labels()[i]];
    write_label_png("labels.png", width, height, result.labels(), names, unlabeled);
    const Rgb shown = overlay(image.rgb.data(), result.labels(), width, height, names, found, unlabeled);
    write_png("overlay.png", shown.width, shown.height, PNG_FORMAT_RGB, shown.values.data());

    if (!segmenter.warning().empty()) std::fprintf(stderr, "%s\n", segmenter.warning().c_str());
    std::printf("%s\n", segmenter.engine().c_str());
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::printf("%5.1f %%  %s\n", 100.0 * static_cast<double>(found[i]) / static_cast<double>(count),
                  names[i].c_str());
    }
    std::printf("labels.png: pixel values are indices of the names\noverlay.png: to look at\n");
    if (!arguments.heatmap.empty()) write_heatmap(result, arguments.heatmap);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
