// For compilers without libFuzzer: runs a target over a corpus, then over mutations of it, blindly but always the
// same ones.
//
//   manifest_fuzz [-max_total_time=SECONDS] CORPUS...
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

void run(const Input& input) { LLVMFuzzerTestOneInput(input.data(), input.size()); }

Input mutated(Input input, const std::vector<Input>& corpus, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (std::size_t count = 1 + below(4); count > 0; --count) {
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(below(input.size() + 1));
    const auto length = static_cast<std::ptrdiff_t>(below(static_cast<std::size_t>(input.end() - place) + 1));
    const Input& other = corpus[below(corpus.size())];
    const std::size_t start = below(other.size() + 1);
    const auto from = other.begin() + static_cast<std::ptrdiff_t>(start);
    switch (below(5)) {
      case 0:
        if (place != input.end()) *place ^= static_cast<std::uint8_t>(1 << below(8));
        break;
      case 1:
        if (place != input.end()) *place = static_cast<std::uint8_t>(below(256));
        break;
      case 2:
        input.insert(place, static_cast<std::uint8_t>(below(256)));
        break;
      case 3:
        input.erase(place, place + length);
        break;
      default:
        input.insert(place, from, from + static_cast<std::ptrdiff_t>(below(other.size() - start + 1)));
    }
  }
  return input;
}

}  // namespace

int main(int count, char** arguments) {
  double seconds = 10;
  std::vector<Input> corpus;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument.rfind("-max_total_time=", 0) == 0) seconds = std::stoi(argument.substr(16));
    if (argument[0] == '-') continue;  // of libFuzzer
    for (const auto& entry : std::filesystem::directory_iterator(argument)) {
      std::ifstream file(entry.path(), std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus was given\n");
    return 2;
  }
  for (const Input& input : corpus) run(input);
  std::mt19937 random(0);
  const auto start = std::chrono::steady_clock::now();
  std::size_t runs = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
    run(mutated(corpus[random() % corpus.size()], corpus, random));
    ++runs;
  }
  std::fprintf(stderr, "Done %zu runs\n", runs);
  return 0;
}
