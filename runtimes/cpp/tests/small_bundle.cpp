#include "small_bundle.hpp"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <system_error>
#include <utility>

#include "engines/support.hpp"
#include "sha256.hpp"

namespace groupvit::detail {
namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string described(const std::filesystem::path& root, const std::string& name, const std::string& text) {
  write(root / name, text);
  Sha256 hash;
  hash.update(text.data(), text.size());
  return R"({"path": ")" + name + R"(", "sha256": ")" + hash.hex_digest() + R"(", "bytes": )" +
         std::to_string(text.size()) + "}";
}

const char* const kTokenizer = R"({
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
  "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "<eos>", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<bos>": {"id": "<bos>", "ids": [0], "tokens": ["<bos>"]},
                       "<eos>": {"id": "<eos>", "ids": [9], "tokens": ["<eos>"]}}},
  "decoder": null,
  "model": {"type": "WordLevel", "unk_token": "<unk>",
    "vocab": {"<bos>": 0, "a": 1, "photo": 2, "of": 3, ".": 4, "cat": 5, "dog": 6, "sky": 7, "sea": 8, "<eos>": 9}}})";

std::string manifest_text(const std::filesystem::path& root) {
  const std::string preprocessing =
      R"("antialias": ANTI, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "filter": "bilinear",
         "color_order": "RGB", "rounding": "uint8", "rescale": 0.00392156862745098})";
  const auto with = [&](const std::string& antialias) {
    std::string text = preprocessing;
    return text.replace(text.find("ANTI"), 4, antialias);
  };
  const std::string engine =
      R"("target": "onnx", "precision": "fp32", "versions": {}, "hardware": "any",
    "source": null, "tensorrt": null, "normalizes": null, "quantization": null)";
  return R"({"format": "groupvit-bundle", "schema_version": {"major": 5, "minor": 0}, "requires": [], "name": "small",
    "fingerprint": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "verdict": null,
    "model": {"image_size": [32, 32], "patch_size": 8, "grid": [4, 4], "groups": [5, 3], "projection_dim": 8,
              "logit_scale": 2.5, "text_max_length": 9, "text_pad_id": 9},
    "engines": [{"role": "image", )" +
         engine + R"(, "files": [)" + described(root, "image.onnx", "image") + R"(],
      "inputs": [{"name": "pixel_values", "dtype": "float32", "shape": [-1, 3, 32, 32]}],
      "outputs": [{"name": "image_embeds", "dtype": "float32", "shape": [-1, 8]},
                  {"name": "group_embeds", "dtype": "float32", "shape": [-1, 3, 8]},
                  {"name": "soft_map_1", "dtype": "float32", "shape": [-1, 5, 16]},
                  {"name": "masks", "dtype": "float32", "shape": [-1, 3, 4, 4]}]},
      {"role": "text", )" +
         engine + R"(, "files": [)" + described(root, "text.onnx", "text") + R"(],
      "inputs": [{"name": "input_ids", "dtype": "int64", "shape": [-1, -1]}],
      "outputs": [{"name": "text_embeds", "dtype": "float32", "shape": [-1, 8]}]}],
    "tokenizer": )" +
         described(root, "tokenizer.json", kTokenizer) + R"(, "prompts": ["a photo of a {}."],
    "preprocessing": {"hf": {"resize": "whole", )" +
         with("true") + R"(, "paper": {"resize": "short_side", )" + with("false") + R"(},
    "decode": {"default": "hf", "paper": {"window": {"size": 32, "stride": 16, "long_side_max": 128},
               "background_threshold": null, "top_classes": 5, "max_logit_scale": 100.0}},
    "vocabularies": []})";
}

// A vector of unit length that depends on `seed`.
void unit_vector(double seed, float* out) {
  double squares = 0;
  for (std::int64_t i = 0; i < kWidth; ++i) {
    const double value = std::sin(seed * static_cast<double>(i + 1) + 0.5);
    out[i] = static_cast<float>(value);
    squares += value * value;
  }
  for (std::int64_t i = 0; i < kWidth; ++i) out[i] = static_cast<float>(out[i] / std::sqrt(squares));
}

class ArithmeticEngine final : public Engine {
 public:
  ArithmeticEngine(EngineInfo info, Spoil spoil) : info_(std::move(info)), spoil_(std::move(spoil)) {}

  std::string description() const override { return "arithmetic, CPU, " + info_.precision; }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    check_inputs("arithmetic", info_, inputs);
    Tensors all = info_.role == "text" ? text(inputs.at("input_ids")) : image(inputs);
    Tensors outputs;
    for (const std::string& name : wanted) {
      output_info(info_, name);
      outputs.emplace(name, std::move(all.at(name)));
    }
    if (spoil_) spoil_(outputs);
    return outputs;
  }

 private:
  static Tensors text(const Tensor& ids) {
    Tensor output = make_tensor("float32", {ids.shape[0], kWidth});
    const std::int64_t length = ids.shape[1];
    for (std::int64_t row = 0; row < ids.shape[0]; ++row) {
      double seed = 0;
      for (std::int64_t i = 0; i < length; ++i) {
        seed +=
            static_cast<double>(ids.as<std::int64_t>()[static_cast<std::size_t>(row * length + i)] * (i + 1));
      }
      unit_vector(seed, output.as<float>().data() + row * kWidth);
    }
    Tensors outputs;
    outputs.emplace("text_embeds", std::move(output));
    return outputs;
  }

  static Tensors image(const Tensors& inputs) {
    const bool pixels = inputs.count("pixels") != 0;
    const Tensor& input = inputs.at(pixels ? "pixels" : "pixel_values");
    const std::int64_t batch = input.shape[0], values = kSide * kSide * 3;
    const auto value = [&](std::int64_t index) -> double {
      return pixels ? input.as<std::uint8_t>()[static_cast<std::size_t>(index)] / 255.0
                    : input.as<float>()[static_cast<std::size_t>(index)];
    };
    Tensor masks = make_tensor("float32", {batch, kGroups, kGrid, kGrid});
    Tensor first = make_tensor("float32", {batch, kFirstGroups, kGrid * kGrid});
    for (std::size_t i = 0; i < first.as<float>().size(); ++i) {
      first.as<float>()[i] = static_cast<float>(std::sin(static_cast<double>(i) * 1.3) + 1);
    }
    Tensor groups = make_tensor("float32", {batch, kGroups, kWidth});
    Tensor images = make_tensor("float32", {batch, kWidth});
    for (std::int64_t b = 0; b < batch; ++b) {
      double mean = 0;
      for (std::int64_t i = 0; i < values; i += 7)
        mean += value(b * values + i) / static_cast<double>(values);
      for (std::int64_t cell = 0; cell < kGrid * kGrid; ++cell) {
        double total = 0;
        double weights[kGroups];
        for (std::int64_t g = 0; g < kGroups; ++g) {
          weights[g] =
              std::exp(std::sin(value(b * values + cell * 64) * 3 + static_cast<double>(g * 2 + cell)));
          total += weights[g];
        }
        for (std::int64_t g = 0; g < kGroups; ++g) {
          masks.as<float>()[static_cast<std::size_t>((b * kGroups + g) * kGrid * kGrid + cell)] =
              static_cast<float>(weights[g] / total);
        }
      }
      for (std::int64_t g = 0; g < kGroups; ++g) {
        unit_vector(mean + static_cast<double>(g) * 1.7,
                    groups.as<float>().data() + (b * kGroups + g) * kWidth);
      }
      unit_vector(mean, images.as<float>().data() + b * kWidth);
    }
    Tensors outputs;
    if (inputs.count("size") != 0) {
      const auto& size = inputs.at("size").as<std::int64_t>();
      const std::int64_t classes = inputs.at("text_embeds").shape[0];
      Tensor labels = make_tensor("int32", {batch, size[0], size[1]});
      for (std::size_t i = 0; i < labels.as<std::int32_t>().size(); ++i) {
        labels.as<std::int32_t>()[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) % classes);
      }
      outputs.emplace("labels", std::move(labels));
    }
    outputs.emplace("soft_map_1", std::move(first));
    outputs.emplace("masks", std::move(masks));
    outputs.emplace("group_embeds", std::move(groups));
    outputs.emplace("image_embeds", std::move(images));
    return outputs;
  }

  EngineInfo info_;
  Spoil spoil_;
};

}  // namespace

SmallBundle::SmallBundle(const std::function<void(std::string&)>& change) {
  static std::atomic<unsigned> next{0};
  root_ = std::filesystem::temp_directory_path() /
          ("groupvit-small-" + std::to_string(::getpid()) + "-" + std::to_string(next.fetch_add(1)));
  std::filesystem::create_directories(root_);
  std::string text = manifest_text(root_);
  if (change) change(text);
  write(root_ / "manifest.json", text);
}

SmallBundle::~SmallBundle() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

EngineLoader arithmetic_engines(Spoil spoil) {
  return [spoil = std::move(spoil)](const EngineInfo& info, const std::filesystem::path& root,
                                    const EngineOptions&) {
    for (const FileInfo& file : info.files) file.read(root);
    return std::make_unique<ArithmeticEngine>(info, spoil);
  };
}

}  // namespace groupvit::detail
