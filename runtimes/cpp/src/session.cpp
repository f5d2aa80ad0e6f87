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
#include "window_scores.hpp"

namespace groupvit::detail {
namespace {

constexpr std::int64_t kBatch = 8;
constexpr std::int64_t kMaxClasses = 65535;

std::int64_t resolve_batch_size(std::int64_t wanted, const EngineInfo& engine) {
  const std::optional<std::int64_t> limit = engine.max_batch();
  if (wanted == 0) return std::min(kBatch, limit.value_or(kBatch));
  if (wanted < 1 || (limit && wanted > *limit)) {
    throw Error(
        GROUPVIT_ERROR_USAGE, "the engine cannot run batches of this size", std::to_string(wanted),
        limit ? "1 to " + std::to_string(*limit) + ", which the engine was built for" : std::string("1 or more"),
        limit ? "a batch size within it, or export for larger batches" : "a batch size within it");
  }
  return wanted;
}

std::string checked_decode(const std::string& decode) {
  if (decode != "hf" && decode != "paper") {
    throw Error(GROUPVIT_ERROR_USAGE, "unknown decode", "'" + decode + "'", "hf or paper");
  }
  return decode;
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

bool gives(const EngineInfo& engine, const std::string& output) {
  return std::any_of(engine.outputs.begin(), engine.outputs.end(),
                     [&](const TensorInfo& tensor) { return tensor.name == output; });
}

std::vector<std::string> required_outputs() { return {kImageEmbeds, kGroupEmbeds, kMasks}; }

// With the soft maps of all stages but the last, whose masks say more.
std::vector<std::string> decoded_outputs(const EngineInfo& engine, const ModelInfo& model) {
  std::vector<std::string> names = required_outputs();
  for (std::int64_t stage = 1; stage < static_cast<std::int64_t>(model.groups.size()); ++stage) {
    if (gives(engine, soft_map_name(stage))) names.push_back(soft_map_name(stage));
  }
  return names;
}

bool decodes_itself(const EngineInfo& engine) { return engine.takes(kClassesInput); }

// For an engine that decodes all the same: one class and one pixel cost nothing.
void ask_for_least(Tensors& inputs, const ModelInfo& model) {
  inputs.emplace(kClassesInput, make_tensor("float32", {1, model.projection_dim}));
  inputs.emplace(kSizeInput, Tensor{{2}, std::vector<std::int64_t>{1, 1}});
}

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

void check_share(const std::string& name, std::optional<double> value) {
  if (!value || (*value >= 0 && *value <= 1)) return;
  throw Error(GROUPVIT_ERROR_USAGE, name + " is out of range", decimal_text(*value), "0 to 1, or none");
}

Segmentation reported(const Competition& competition, LabelMap labels, std::vector<double> scores, Size size,
                      std::shared_ptr<const SoftResult> soft) {
  scores.resize(competition.labels());
  return {size, std::move(labels), competition.names(), std::move(scores), competition.score_names(),
          competition.unlabeled(), std::move(soft)};
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
  for (const std::string& name : required_outputs()) output_info(engine, name);
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

VocabularyPointer Session::open_vocabulary(const std::string& name) const {
  std::string names;
  for (const VocabularyInfo& info : bundle_.manifest.vocabularies) {
    if (info.name == name) {
      return checked(parse_vocabulary(info.file.read(bundle_.root).text(), info.file.path));
    }
    names += (names.empty() ? "" : ", ") + info.name;
  }
  throw Error(GROUPVIT_ERROR_LABEL, "the bundle has no vocabulary of this name", "'" + name + "'",
              names.empty() ? "none is cached in it" : names,
              "give a list of labels, or: groupvit vocab BUNDLE --labels \"...\" --add " + name);
}

VocabularyPointer Session::open_vocabulary_file(const std::filesystem::path& path) const {
  return checked(load_vocabulary(path));
}

VocabularyPointer Session::checked(Vocabulary vocabulary) const {
  check_fits(vocabulary);
  return std::make_shared<const Vocabulary>(std::move(vocabulary));
}

VocabularyPointer Session::encode(const std::vector<std::string>& names,
                                  const std::optional<std::vector<std::string>>& templates) {
  const std::vector<std::string> labels = check_labels(names);
  if (templates) check_templates(*templates);
  // Before the lock: another thread of the parent may have held it when this process was forked.
  process_.check();
  return std::make_shared<const Vocabulary>(
      text_encoder().encode(labels, templates ? *templates : bundle_.manifest.prompts));
}

TextEncoder& Session::text_encoder() {
  const std::lock_guard<std::mutex> lock(text_mutex_);
  if (text_ == nullptr) text_ = std::make_unique<TextEncoder>(bundle_, engine_options_, loader_);
  return *text_;
}

VocabularyPointer Session::anything(const std::string& alone) {
  if (!bundle_.manifest.tokenizer) {
    throw Error(GROUPVIT_ERROR_LABEL,
                "one label alone has nothing to compete with: there is no tokenizer for the empty prompt",
                "'" + alone + "'", "negatives, or more labels",
                "groupvit_segment_abstaining with negatives, or export the bundle with --tokenizer PATH");
  }
  TextEncoder& encoder = text_encoder();
  const std::lock_guard<std::mutex> lock(text_mutex_);
  if (anything_ == nullptr) anything_ = std::make_shared<const Vocabulary>(encoder.encode({""}, {"{}"}));
  return anything_;
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

Segmentation Session::segment(RgbImage image, const VocabularyPointer& vocabulary, const SegmentOptions& options) {
  process_.check();
  const std::string chosen = checked_decode(options.decode.empty() ? decode_ : options.decode);
  check_fits(*vocabulary);
  if (options.negatives != nullptr) check_fits(*options.negatives);
  check_normalizes(chosen);
  if (chosen == "hf" && options.background_threshold) {
    throw Error(GROUPVIT_ERROR_USAGE, "the hf decode has no background",
                "a background threshold of " + decimal_text(*options.background_threshold),
                "the paper decode, or 'background' as one of the labels", "decode = GROUPVIT_DECODE_PAPER");
  }
  check_share("the background threshold", options.background_threshold);
  check_share("the threshold", options.threshold);
  const Competition competing = competition(vocabulary, options);
  if (chosen == "hf") return segment_whole(std::move(image), competing);
  return segment_windows(std::move(image), competing, options.background_threshold);
}

Competition Session::competition(const VocabularyPointer& vocabulary, const SegmentOptions& options) {
  VocabularyPointer negatives = options.negatives;
  // One label alone would win everywhere.
  if (negatives == nullptr && options.threshold && vocabulary->names.size() == 1) negatives = anything(vocabulary->names.front());
  return {vocabulary, std::move(negatives), options.threshold, options.background_threshold.has_value()};
}

Segmentation Session::segment_whole(RgbImage image, const Competition& competition) {
  const Manifest& manifest = bundle_.manifest;
  const EngineInfo& engine = choice_.engine;
  const Size size = image.size, input_size = manifest.model.image_size;
  Encoded encoded{{}, competition.words(), manifest.model, size};
  const Classes classes = encoded.classes();
  const RgbImage resized = resize_image(std::move(image), input_size, manifest.hf);
  Tensor tensor = image_tensor(engine, 1, input_size);
  place(resized, 0, 0, input_size, manifest.hf, 0, tensor);
  Tensors inputs;
  inputs.emplace(image_input(engine), std::move(tensor));
  std::vector<std::string> wanted = decoded_outputs(engine, manifest.model);
  // Scores that a threshold is compared with are the runtime's, and so are the labels then.
  const bool takes_labels = decodes_itself(engine) && !competition.abstains();
  if (takes_labels) {
    inputs.emplace(kClassesInput, Tensor{{classes.count, classes.width}, encoded.words->embeddings});
    inputs.emplace(kSizeInput, Tensor{{2}, std::vector<std::int64_t>{size.height, size.width}});
    wanted.emplace_back(kLabelsOutput);
  } else if (decodes_itself(engine)) {
    ask_for_least(inputs, manifest.model);
  }
  Tensors outputs = image_engine_->run(inputs, wanted);
  LabelMap labels;
  if (takes_labels) labels = labels_of(outputs, size, classes.count);
  encoded.outputs.add(std::move(outputs), 1, manifest.model);
  const std::vector<ImageOutputs>& windows = encoded.outputs.windows();
  if (labels.empty()) labels = hf_decode(windows.front(), classes, input_size, size);
  std::vector<double> scores = class_scores(windows, classes, manifest.model.logit_scale,
                                            std::numeric_limits<double>::infinity());
  std::shared_ptr<const SoftResult> soft = soft_result_of_whole(std::move(encoded));
  if (competition.abstains()) abstain(*soft->score_map(), *competition.unlabeled(), competition.threshold(), labels);
  return reported(competition, std::move(labels), std::move(scores), size, std::move(soft));
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

Segmentation Session::segment_windows(RgbImage image, const Competition& competition,
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
  const std::vector<std::string> wanted = decoded_outputs(engine, manifest.model);
  Encoded encoded{{}, competition.words(), manifest.model, size};
  for (std::int64_t start = 0; start < count; start += batch_size_) {
    const std::int64_t batch = std::min(batch_size_, count - start);
    Tensor tensor = image_tensor(engine, batch, side);
    for (std::int64_t index = 0; index < batch; ++index) {
      const WindowPlan::Box& box = plan.boxes[static_cast<std::size_t>(start + index)];
      place(resized, box.top, box.left, side, manifest.paper, index, tensor);
    }
    Tensors inputs;
    inputs.emplace(image_input(engine), std::move(tensor));
    if (decodes_itself(engine)) ask_for_least(inputs, manifest.model);
    encoded.outputs.add(image_engine_->run(inputs, wanted), batch, manifest.model);
  }
  const std::vector<ImageOutputs>& windows = encoded.outputs.windows();
  WindowScores averaged = average_windows(plan, windows, encoded.classes(), manifest.model.logit_scale, settings);
  LabelMap labels = winners(averaged, plan.size, size);
  if (competition.abstains()) {
    const auto map = paper_score_map(std::move(averaged), plan.size, size);
    abstain(*map, *competition.unlabeled(), competition.threshold(), labels);
  }
  std::vector<double> scores =
      class_scores(windows, encoded.classes(), manifest.model.logit_scale, settings.max_logit_scale);
  return reported(competition, std::move(labels), std::move(scores), size,
                  soft_result_of_windows(std::move(encoded), std::move(plan), settings));
}

}  // namespace groupvit::detail
