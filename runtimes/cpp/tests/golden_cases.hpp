// Cases of tests/golden and their random inputs; tests/support/golden_image.py says how they are made.
#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "decode.hpp"
#include "sha256.hpp"

namespace groupvit::detail {

using Json = nlohmann::json;

// SplitMix64 from the state seed * 2^32 + array.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t array) : state_((seed << 32) + array) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // 24 random bits, from `low` to 1: 0 or -1.
  std::vector<float> floats(std::int64_t count, double low) {
    std::vector<float> result;
    for (std::int64_t i = 0; i < count; ++i) {
      result.push_back(static_cast<float>(static_cast<double>(next() >> 40) * (1 - low) / (1 << 24) + low));
    }
    return result;
  }

 private:
  std::uint64_t state_;
};

inline Size size_of(const Json& pair) { return {pair[0], pair[1]}; }

inline SlidingWindow window_of(const Json& test) {
  const Json& window = test["window"];
  return {window["size"], window["stride"], window["long_side_max"]};
}

// What the engine and the vocabulary give: of one image, or of all windows of `plan`.
struct Outputs {
  std::vector<float> masks, group_embeds, image_embeds, text_embeds;
  std::vector<ImageOutputs> windows;
  Classes classes;

  Outputs(const Json& test, std::int64_t count) {
    const std::int64_t groups = test["groups"], width = test["width"], names = test["classes"];
    const Size grid = size_of(test["grid"]);
    const std::int64_t maps = groups * grid.height * grid.width;
    masks = Random(test["seed"], 1).floats(count * maps, 0);
    group_embeds = Random(test["seed"], 2).floats(count * groups * width, -1);
    image_embeds = Random(test["seed"], 3).floats(count * width, -1);
    text_embeds = Random(test["seed"], 4).floats(names * width, -1);
    for (std::int64_t i = 0; i < count; ++i) {
      windows.push_back({groups, grid, width, masks.data() + i * maps,
                         group_embeds.data() + i * groups * width, image_embeds.data() + i * width});
    }
    classes = {names, width, text_embeds.data()};
  }
};

template <typename T>
std::string digest(const std::vector<T>& values) {
  Sha256 hash;
  hash.update(values.data(), values.size() * sizeof(T));
  return hash.hex_digest();
}

inline Json golden_cases(const std::string& name) {
  std::ifstream file(GROUPVIT_GOLDEN_DIRECTORY "/" + name);
  if (!file) throw std::runtime_error("no " + name + " in " GROUPVIT_GOLDEN_DIRECTORY);
  return Json::parse(file)["cases"];
}

}  // namespace groupvit::detail
