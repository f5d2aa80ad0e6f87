#include "manifest_consistency.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "error.hpp"

namespace groupvit::detail {
namespace {

constexpr std::int64_t kMaxWindowPixels = std::int64_t{1} << 28;  // of all windows of one image
constexpr std::int64_t kMaxTokenizerBytes = std::int64_t{1} << 28;
constexpr std::int64_t kMaxVocabularyBytes = std::int64_t{1} << 31;
constexpr std::int64_t kOpen = -1;

struct Known {
  std::string dtype;
  std::vector<std::int64_t> shape;
};

[[noreturn]] void contradiction(const std::string& where, const std::string& got, const std::string& expected) {
  throw Error(GROUPVIT_ERROR_BUNDLE, where + " contradicts the rest of the manifest", got, expected,
              "do not use this bundle; or export it again with this version of the toolkit");
}

std::string shown(const std::vector<std::int64_t>& sides) {
  std::string text;
  for (const std::int64_t side : sides) text += (text.empty() ? "" : ", ") + std::to_string(side);
  return "[" + text + "]";
}

// Dtype and shape of the tensors that runtimes know; see docs/bundle.md.
std::map<std::string, Known> known_tensors(const std::string& role, const ModelInfo& model) {
  const std::int64_t height = model.image_size.height, width = model.image_size.width, dim = model.projection_dim;
  const std::int64_t groups = model.groups.back();
  if (role == "text") return {{"input_ids", {"int64", {kOpen, kOpen}}}, {"text_embeds", {"float32", {kOpen, dim}}}};
  return {{"pixel_values", {"float32", {kOpen, 3, height, width}}},
          {"pixels", {"uint8", {kOpen, height, width, 3}}},
          {"text_embeds", {"float32", {kOpen, dim}}},
          {"size", {"int64", {2}}},
          {"image_embeds", {"float32", {kOpen, dim}}},
          {"group_embeds", {"float32", {kOpen, groups, dim}}},
          {"masks", {"float32", {kOpen, groups, model.grid.height, model.grid.width}}},
          {"labels", {"int32", {kOpen, kOpen, kOpen}}}};
}

std::vector<std::string> required_outputs(const std::string& role) {
  if (role == "text") return {"text_embeds"};
  return {"image_embeds", "group_embeds", "masks"};
}

bool fits(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& wanted) {
  return shape.size() == wanted.size() &&
         std::equal(shape.begin(), shape.end(), wanted.begin(), [](std::int64_t side, std::int64_t expected) {
           return side != 0 && (expected == kOpen || side == expected);
         });
}

void check_tensors(const EngineInfo& engine, const ModelInfo& model) {
  const std::string of = " of the " + engine.role + " engine";
  if (engine.role == "text" && (engine.inputs.size() != 1 || engine.inputs.front().name != "input_ids")) {
    contradiction("inputs" + of, std::to_string(engine.inputs.size()) + " inputs", "input_ids");
  }
  for (const std::string& name : required_outputs(engine.role)) {
    const bool given = std::any_of(engine.outputs.begin(), engine.outputs.end(),
                                   [&](const TensorInfo& tensor) { return tensor.name == name; });
    if (!given) contradiction("outputs" + of, "no " + name, name);
  }
  const std::map<std::string, Known> known = known_tensors(engine.role, model);
  for (const auto* tensors : {&engine.inputs, &engine.outputs}) {
    for (const TensorInfo& tensor : *tensors) {
      const auto found = known.find(tensor.name);
      if (found == known.end()) continue;
      if (tensor.dtype == found->second.dtype && fits(tensor.shape, found->second.shape)) continue;
      contradiction(tensor.name + of, tensor.dtype + " " + shown(tensor.shape),
                    found->second.dtype + " " + shown(found->second.shape));
    }
  }
}

bool are_alike(const std::vector<TensorInfo>& first, const std::vector<TensorInfo>& second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const TensorInfo& one, const TensorInfo& other) {
                      return one.name == other.name && one.dtype == other.dtype && one.shape == other.shape;
                    });
}

// Whatever is said of the image engine must be true of each, and old runtimes know only the first.
void check_alternatives(const Manifest& manifest) {
  const EngineInfo* image = nullptr;
  std::vector<std::string> precisions;
  for (const EngineInfo& engine : manifest.engines) {
    if (engine.role == "image") image = &engine;
  }
  if (image != nullptr) precisions.push_back(image->precision);
  if (!manifest.alternatives.empty() && (image == nullptr || image->precision != "fp32")) {
    contradiction("alternatives", "no image engine in fp32", "beside an image engine in fp32");
  }
  for (const EngineInfo& engine : manifest.alternatives) {
    if (engine.role != "image" || engine.files.empty()) {
      contradiction("alternatives.role", engine.role, "an image engine with its files");
    }
    if (std::find(precisions.begin(), precisions.end(), engine.precision) != precisions.end()) {
      contradiction("precisions of the image engines", engine.precision + " twice", "each once");
    }
    precisions.push_back(engine.precision);
    if (engine.target != image->target || engine.normalizes != image->normalizes ||
        !are_alike(engine.inputs, image->inputs) || !are_alike(engine.outputs, image->outputs)) {
      contradiction("alternatives", "another target, input or output of " + engine.precision, "those of fp32");
    }
  }
  if (!manifest.measured) return;
  for (const std::string& name : manifest.measured->fastest_first) {
    if (std::find(precisions.begin(), precisions.end(), name) == precisions.end()) {
      contradiction("measured.fastest_first", name, "precisions of the image engines");
    }
  }
}

void check_windows(const Manifest& manifest) {
  if (!manifest.paper_decode) return;
  const SlidingWindow& window = manifest.paper_decode->window;
  const Size size = manifest.model.image_size;
  if (window.size != size.height || window.size != size.width) {
    contradiction("decode.paper.window.size", std::to_string(window.size),
                  "that of " + shown({size.height, size.width}));
  }
  const std::int64_t count = (window.long_side_max - window.size + window.stride - 1) / window.stride + 1;
  const std::int64_t pixels = count * window.size * window.size;
  if (pixels > kMaxWindowPixels) {
    contradiction("decode.paper.window", std::to_string(count) + " windows, " + std::to_string(pixels) + " pixels",
                  "at most " + std::to_string(kMaxWindowPixels) + " pixels");
  }
}

}  // namespace

void check_consistency(const Manifest& manifest) {
  const ModelInfo& model = manifest.model;
  const Size sides{model.grid.height * model.patch_size, model.grid.width * model.patch_size};
  if (sides != model.image_size) {
    contradiction("model.image_size", shown({model.image_size.height, model.image_size.width}),
                  "grid * patch_size, " + shown({sides.height, sides.width}));
  }
  check_windows(manifest);
  for (const EngineInfo& engine : manifest.engines) check_tensors(engine, model);
  for (const EngineInfo& engine : manifest.alternatives) check_tensors(engine, model);
  check_alternatives(manifest);
  if (manifest.tokenizer && manifest.tokenizer->bytes > kMaxTokenizerBytes) {
    contradiction("tokenizer.bytes", std::to_string(manifest.tokenizer->bytes),
                  "at most " + std::to_string(kMaxTokenizerBytes));
  }
  for (const VocabularyInfo& vocabulary : manifest.vocabularies) {
    if (vocabulary.file.bytes <= kMaxVocabularyBytes) continue;
    contradiction("vocabularies.file.bytes", std::to_string(vocabulary.file.bytes),
                  "at most " + std::to_string(kMaxVocabularyBytes));
  }
}

}  // namespace groupvit::detail
