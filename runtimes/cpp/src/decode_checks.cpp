#include "decode_checks.hpp"

#include <cstring>
#include <string>

#include "error.hpp"

namespace groupvit::detail {
namespace {

bool all_finite(const float* values, std::int64_t count) {
  // An exponent of ones is infinite or NaN. Integers, because such a loop is vectorized.
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    found |= (bits & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  }
  return found == 0;
}

std::string shape_of(std::initializer_list<std::int64_t> lengths) {
  std::string text = "float32 [";
  for (const std::int64_t length : lengths) {
    if (text.back() != '[') text += ", ";
    text += std::to_string(length);
  }
  return text + "]";
}

void check_output(const char* name, const float* values, std::initializer_list<std::int64_t> lengths,
                  const char* expected) {
  bool fits = values != nullptr;
  std::int64_t count = 1;
  for (const std::int64_t length : lengths) {
    fits = fits && length >= 1;
    count *= length;
  }
  if (fits && all_finite(values, count)) return;
  throw Error(GROUPVIT_ERROR_ENGINE, std::string(name) + " from the engine cannot be decoded",
              fits ? shape_of(lengths) + " with NaN or infinite values" : shape_of(lengths),
              std::string("finite float32 ") + expected,
              "run `groupvit verify` on the bundle; if the engine is half precision, export it in float32");
}

}  // namespace

void check_masks(const ImageOutputs& outputs) {
  check_output("masks", outputs.masks, {outputs.groups, outputs.grid.height, outputs.grid.width},
               "[G, gh, gw]");
}

void check_group_embeds(const ImageOutputs& outputs) {
  check_output("group_embeds", outputs.group_embeds, {outputs.groups, outputs.width}, "[G, P]");
}

void check_outputs(const ImageOutputs& outputs) {
  check_masks(outputs);
  check_group_embeds(outputs);
}

void check_window_masks(const WindowPlan& plan, const std::vector<ImageOutputs>& windows) {
  const auto refuse = [&](const std::string& got, const std::string& expected) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine's outputs do not fit the windows", got, expected,
                "run `groupvit verify` on the bundle");
  };
  if (windows.size() != plan.boxes.size() || windows.empty()) {
    refuse("outputs for " + std::to_string(windows.size()) + " windows",
           "one for each of " + std::to_string(plan.boxes.size()));
  }
  for (const ImageOutputs& window : windows) {
    if (window.groups != windows[0].groups || window.grid != windows[0].grid ||
        window.width != windows[0].width) {
      refuse("outputs of unlike shapes", "the same for every window");
    }
    check_masks(window);
  }
}

void check_windows(const WindowPlan& plan, const std::vector<ImageOutputs>& windows) {
  check_window_masks(plan, windows);
  for (const ImageOutputs& window : windows) {
    check_group_embeds(window);
    check_output("image_embeds", window.image_embed, {window.width}, "[P]");
  }
}

void check_text(const Classes& classes, std::int64_t width) {
  if (classes.count < 1 || classes.count > kMaxClasses || classes.width != width || !classes.embeddings) {
    throw Error(GROUPVIT_ERROR_LABEL, "the text embeddings do not fit the model",
                "[" + std::to_string(classes.count) + ", " + std::to_string(classes.width) + "]",
                "[K, " + std::to_string(width) + "] with K from 1 to 65,535",
                "encode the labels with the text engine of the same bundle");
  }
  if (!all_finite(classes.embeddings, classes.count * width)) {
    throw Error(GROUPVIT_ERROR_LABEL, "the text embeddings hold NaN or infinite values", {},
                "L2-normalized embeddings",
                "encode the labels again; an all-zero embedding cannot be normalized");
  }
}

}  // namespace groupvit::detail
