#include "session.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "decimal.hpp"
#include "engines/of_process.hpp"
#include "engines/support.hpp"
#include "error.hpp"
#include "image_outputs.hpp"
#include "precision_cautions.hpp"

namespace groupvit::detail {
namespace {

constexpr std::int64_t kBatch = 8;
constexpr std::int64_t kMaxClasses = 65535;
const char* const kBackground = "background";

std::int64_t resolve_batch_size(std::int64_t wanted, const EngineInfo& engine) {
  const std::optional<std::int64_t> limit = engine.max_batch();
  if (wanted == 0) return std::min(kBatch, limit.value_or(kBatch));
  if (wanted < 1 || (limit && wanted > *limit)) {
    throw Error(
        GROUPVIT_ERROR_USAGE, "the engine cannot run batches of this size", std::to_string(wanted),
        limit ? "1 to " + std::to_string(*limit) + ", the profile of the engine" : std::string("1 or more"),
        limit ? "a batch size within it, or export with a larger --batch" : "a batch size within it");
  }
  return wanted;
}

std::string checked_decode(const std::string& decode) {
  if (decode != "hf" && decode != "paper") {
    throw Error(GROUPVIT_ERROR_USAGE, "unknown decode", "'" + decode + "'", "hf or paper");
  }
  return decode;
}

Classes classes_of(const Vocabulary& vocabulary) {
  return {static_cast<std::int64_t>(vocabulary.names.size()), vocabulary.width, vocabulary.embeddings.data()};
}

// The engine's image input for `count` windows of `side`, zeros.
Tensor image_tensor(const EngineInfo& engine, std::int64_t count, Size side) {
  if (engine.takes(kPixelsInput)) return make_tensor("uint8", {count, side.height, side.width, 3});
  return make_tensor("float32", {count, 3, side.height, side.width});
}

// Puts the part of `image` at (top, left) at place `index` of the engine's input.
void place(const RgbImage& image, std::int64_t top, std::int64_t left, Size part, const Preprocessing& spec,
           std::int64_t index, Tensor& tensor) {
  const std::int64_t values = part.height * part.width * 3;
  if (std::holds_alternative<std::vector<float>>(tensor.values)) {
    normalize(image, top, left, part, spec, tensor.as<float>().data() + index * values);
    return;
  }
  std::uint8_t* target = tensor.as<std::uint8_t>().data() + index * values;
  const std::size_t row = static_cast<std::size_t>(part.width) * 3;
  for (std::int64_t y = 0; y < part.height; ++y, target += row) {
    std::memcpy(target, image.values.data() + ((top + y) * image.size.width + left) * 3, row);
  }
}

std::vector<std::string> decoded_outputs() { return {kImageEmbeds, kGroupEmbeds, kMasks}; }

bool gives(const EngineInfo& engine, const std::string& output) {
  return std::any_of(engine.outputs.begin(), engine.outputs.end(),
                     [&](const TensorInfo& tensor) { return tensor.name == output; });
}

bool decodes_itself(const EngineInfo& engine) { return engine.takes(kClassesInput); }

std::string image_input(const EngineInfo& engine) {
  return engine.takes(kPixelsInput) ? kPixelsInput : kImageInput;
}

// The label map that the engine decoded.
LabelMap labels_of(const Tensors& outputs, Size size, std::int64_t classes) {
  const Tensor& labels = outputs.at(kLabelsOutput);
  if (labels.shape != Shape{1, size.height, size.width} ||
      !std::holds_alternative<std::vector<std::int32_t>>(labels.values) ||
      labels.as<std::int32_t>().size() != element_count(labels.shape)) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine gave label maps of another size than it was asked for",
                dtype_name(labels) + (" " + to_text(labels.shape)),
                "int32 " + to_text({1, size.height, size.width}), "export the bundle again");
  }
  LabelMap found;
  found.reserve(labels.as<std::int32_t>().size());
  for (const std::int32_t label : labels.as<std::int32_t>()) {
    if (label < 0 || label >= classes) {
      throw Error(GROUPVIT_ERROR_ENGINE, "the engine gave a label that is none", std::to_string(label),
                  "0 to " + std::to_string(classes - 1), "export the bundle again");
    }
    found.push_back(static_cast<std::uint16_t>(label));
  }
  return found;
}

bool normalizes_like(const Preprocessing& first, const Preprocessing& second) {
  return first.rescale == second.rescale && first.mean == second.mean && first.std == second.std &&
         first.color_order == second.color_order;
}

std::string numbers(const std::array<double, 3>& values) {
  return decimal_text(values[0], 4) + "/" + decimal_text(values[1], 4) + "/" + decimal_text(values[2], 4);
}

// What this library can feed and read; said when the bundle is opened rather than at the first image.
void check_image_engine(const EngineInfo& engine) {
  std::string names;
  bool known = true;
  for (const TensorInfo& input : engine.inputs) {
    names += (names.empty() ? "" : ", ") + input.name;
    known = known && (input.name == kImageInput || input.name == kPixelsInput ||
                      input.name == kClassesInput || input.name == kSizeInput);
  }
  const bool pixels = engine.takes(kPixelsInput), decodes = engine.takes(kClassesInput);
  if (!known || engine.takes(kImageInput) == pixels || pixels != engine.normalizes.has_value() ||
      decodes != engine.takes(kSizeInput) || decodes != gives(engine, kLabelsOutput)) {
    throw Error(
        GROUPVIT_ERROR_BUNDLE, "this library does not know what to feed the image engine",
        "inputs " + names + "; normalizes: " + engine.normalizes.value_or("null"),
        "pixel_values, or pixels and whose normalization is inside; with labels also text_embeds and size",
        "install the version of the toolkit that exported it, or export the bundle again");
  }
  for (const std::string& name : decoded_outputs()) output_info(engine, name);
}

}  // namespace

Session::Session(const std::filesystem::path& bundle, const SessionOptions& options, EngineLoader loader,
                 const ProcessorFlags& flags)
    : bundle_(open_bundle(bundle, options.digest)), engine_options_(options.engine), loader_(of_process(std::move(loader))) {
  decode_ = checked_decode(options.decode.empty() ? bundle_.manifest.default_decode : options.decode);
  choice_ = choose_image_engine(bundle_.manifest, options.precision, options.engine.device, flags);
  const EngineInfo& image = choice_.engine;
  batch_size_ = resolve_batch_size(options.batch_size, image);
  check_image_engine(image);
  check_normalizes(decode_);
  image_engine_ = loader_(image, bundle_.root, engine_options_);
  engine_description_ = image_engine_->description() + (choice_.why.empty() ? "" : "; " + choice_.why);
}

std::string Session::warning() const {
  const Manifest& manifest = bundle_.manifest;
  const std::string caution =
      precision_caution(manifest, choice_.engine, engine_options_.device, processor_flags());
  if (manifest.verdict != "FAIL") return caution;
  return (caution.empty() ? "" : caution + "\n") + "bundle '" + manifest.name +
         "' was exported although it does not equal the reference. Look into it with: groupvit verify BUNDLE --bisect";
}

Vocabulary Session::open_vocabulary(const std::string& name) const {
  std::string names;
  for (const VocabularyInfo& info : bundle_.manifest.vocabularies) {
    if (info.name == name) {
      Vocabulary vocabulary = parse_vocabulary(info.file.read(bundle_.root).text(), info.file.path);
      check_fits(vocabulary);
      return vocabulary;
    }
    names += (names.empty() ? "" : ", ") + info.name;
  }
  throw Error(GROUPVIT_ERROR_LABEL, "the bundle has no vocabulary of this name", "'" + name + "'",
              names.empty() ? "none is cached in it" : names,
              "give a list of labels, or: groupvit vocab BUNDLE --labels \"...\" --add " + name);
}

Vocabulary Session::open_vocabulary_file(const std::filesystem::path& path) const {
  Vocabulary vocabulary = load_vocabulary(path);
  check_fits(vocabulary);
  return vocabulary;
}

Vocabulary Session::encode(const std::vector<std::string>& names,
                           const std::optional<std::vector<std::string>>& templates) {
  const std::vector<std::string> labels = check_labels(names);
  if (templates) check_templates(*templates);
  // Before the lock: another thread of the parent may have held it when this process was forked.
  process_.check();
  return text_encoder().encode(labels, templates ? *templates : bundle_.manifest.prompts);
}

TextEncoder& Session::text_encoder() {
  const std::lock_guard<std::mutex> lock(text_mutex_);
  if (text_ == nullptr) text_ = std::make_unique<TextEncoder>(bundle_, engine_options_, loader_);
  return *text_;
}

void Session::check_fits(const Vocabulary& vocabulary) const {
  const std::string& expected = bundle_.manifest.fingerprint;
  if (vocabulary.fingerprint != expected) {
    throw Error(GROUPVIT_ERROR_LABEL,
                "the vocabulary was made with other weights; its embeddings mean nothing to this model",
                "fingerprint " + vocabulary.fingerprint.substr(0, 16) + "...", expected.substr(0, 16) + "...",
                "groupvit vocab BUNDLE --labels ... -o FILE");
  }
  const std::int64_t width = bundle_.manifest.model.projection_dim;
  const auto count = static_cast<std::int64_t>(vocabulary.names.size());
  if (vocabulary.width != width || count < 1 || count > kMaxClasses) {
    throw Error(GROUPVIT_ERROR_LABEL, "the text embeddings do not fit the model",
                to_text({count, vocabulary.width}),
                "[K, " + std::to_string(width) + "] with K from 1 to " + std::to_string(kMaxClasses),
                "encode the labels with the text engine of the same bundle");
  }
}

void Session::check_normalizes(const std::string& decode) const {
  const Manifest& manifest = bundle_.manifest;
  const std::optional<std::string>& inside = choice_.engine.normalizes;
  if (!inside) return;
  const Preprocessing& own = *inside == "hf" ? manifest.hf : manifest.paper;
  const Preprocessing& wanted = decode == "hf" ? manifest.hf : manifest.paper;
  if (normalizes_like(own, wanted)) return;
  throw Error(GROUPVIT_ERROR_USAGE,
              "the engine normalizes images by itself, and not as the " + decode + " decode needs them",
              "mean " + numbers(own.mean) + ", std " + numbers(own.std) + " of the " + *inside + " decode",
              "mean " + numbers(wanted.mean) + ", std " + numbers(wanted.std),
              "the " + *inside + " decode, or groupvit export --input uint8 --decode " + decode +
                  ", or export without --input uint8");
}

Segmentation Session::segment(RgbImage image, const Vocabulary& vocabulary, const std::string& decode,
                              std::optional<double> background_threshold) {
  process_.check();
  const std::string chosen = checked_decode(decode.empty() ? decode_ : decode);
  check_fits(vocabulary);
  check_normalizes(chosen);
  if (chosen == "hf") {
    if (background_threshold) {
      throw Error(GROUPVIT_ERROR_USAGE, "the hf decode has no background",
                  "a background threshold of " + decimal_text(*background_threshold),
                  "the paper decode, or 'background' as one of the labels", "decode = GROUPVIT_DECODE_PAPER");
    }
    return segment_whole(std::move(image), vocabulary);
  }
  if (background_threshold && !(*background_threshold >= 0 && *background_threshold <= 1)) {
    throw Error(GROUPVIT_ERROR_USAGE, "the background threshold is out of range",
                decimal_text(*background_threshold), "0 to 1, or none");
  }
  if (background_threshold &&
      std::find(vocabulary.names.begin(), vocabulary.names.end(), kBackground) != vocabulary.names.end()) {
    throw Error(GROUPVIT_ERROR_LABEL, "background is both a label and what the threshold makes",
                "label 'background' with a background threshold of " + decimal_text(*background_threshold),
                "one of the two", "remove the label, or the threshold");
  }
  return segment_windows(std::move(image), vocabulary, background_threshold);
}

Segmentation Session::segment_whole(RgbImage image, const Vocabulary& vocabulary) {
  const Manifest& manifest = bundle_.manifest;
  const EngineInfo& engine = choice_.engine;
  const Size size = image.size, input_size = manifest.model.image_size;
  const Classes classes = classes_of(vocabulary);
  const RgbImage resized = resize_image(std::move(image), input_size, manifest.hf);
  Tensor tensor = image_tensor(engine, 1, input_size);
  place(resized, 0, 0, input_size, manifest.hf, 0, tensor);
  Tensors inputs;
  inputs.emplace(image_input(engine), std::move(tensor));
  std::vector<std::string> wanted = decoded_outputs();
  if (decodes_itself(engine)) {
    inputs.emplace(kClassesInput, Tensor{{classes.count, classes.width}, vocabulary.embeddings});
    inputs.emplace(kSizeInput, Tensor{{2}, std::vector<std::int64_t>{size.height, size.width}});
    wanted.emplace_back(kLabelsOutput);
  }
  Tensors outputs = image_engine_->run(inputs, wanted);
  LabelMap labels;
  if (decodes_itself(engine)) labels = labels_of(outputs, size, classes.count);
  auto encoded = std::make_shared<EncodedWindows>();
  encoded->add(std::move(outputs), 1, manifest.model);
  Segmentation result;
  result.size = size;
  result.labels =
      labels.empty() ? hf_decode(encoded->windows().front(), classes, input_size, size) : std::move(labels);
  result.names = vocabulary.names;
  result.scores = class_scores(encoded->windows(), classes, manifest.model.logit_scale,
                               std::numeric_limits<double>::infinity());
  result.groups = [encoded, input_size, size] {
    return hf_groups(encoded->windows().front(), input_size, size);
  };
  return result;
}

const PaperDecode& Session::paper_constants() const {
  const Manifest& manifest = bundle_.manifest;
  if (manifest.paper_decode) return *manifest.paper_decode;
  const Size size = manifest.model.image_size;
  throw Error(GROUPVIT_ERROR_USAGE,
              "the paper decode cuts images into square windows, and this engine is not square",
              "an engine for " + std::to_string(size.height) + "x" + std::to_string(size.width),
              "the hf decode, or a square engine",
              "groupvit export --image-size " + std::to_string(std::min(size.height, size.width)) +
                  " --decode paper");
}

Segmentation Session::segment_windows(RgbImage image, const Vocabulary& vocabulary,
                                      std::optional<double> background_threshold) {
  const Manifest& manifest = bundle_.manifest;
  const EngineInfo& engine = choice_.engine;
  const Size size = image.size;
  PaperDecode settings = paper_constants();
  settings.background_threshold = background_threshold;
  WindowPlan plan = plan_windows(size, settings.window);
  const RgbImage resized = resize_for_windows(std::move(image), manifest.paper, plan);
  const Size side{plan.side, plan.side};
  const auto count = static_cast<std::int64_t>(plan.boxes.size());
  auto encoded = std::make_shared<EncodedWindows>();
  for (std::int64_t start = 0; start < count; start += batch_size_) {
    const std::int64_t batch = std::min(batch_size_, count - start);
    Tensor tensor = image_tensor(engine, batch, side);
    for (std::int64_t index = 0; index < batch; ++index) {
      const WindowPlan::Box& box = plan.boxes[static_cast<std::size_t>(start + index)];
      place(resized, box.top, box.left, side, manifest.paper, index, tensor);
    }
    Tensors inputs;
    inputs.emplace(image_input(engine), std::move(tensor));
    if (decodes_itself(engine)) {
      // It decodes all the same: one class and one pixel cost nothing.
      inputs.emplace(kClassesInput, make_tensor("float32", {1, manifest.model.projection_dim}));
      inputs.emplace(kSizeInput, Tensor{{2}, std::vector<std::int64_t>{1, 1}});
    }
    encoded->add(image_engine_->run(inputs, decoded_outputs()), batch, manifest.model);
  }
  const Classes classes = classes_of(vocabulary);
  PaperResult decoded =
      paper_decode(plan, encoded->windows(), classes, manifest.model.logit_scale, settings, size);
  Segmentation result;
  result.size = size;
  result.labels = std::move(decoded.labels);
  if (decoded.background) result.names.push_back(kBackground);
  result.names.insert(result.names.end(), vocabulary.names.begin(), vocabulary.names.end());
  result.scores =
      class_scores(encoded->windows(), classes, manifest.model.logit_scale, settings.max_logit_scale);
  result.groups = [plan = std::move(plan), encoded, size] {
    return window_groups(plan, encoded->windows(), size);
  };
  return result;
}

}  // namespace groupvit::detail
