// The fields of every record of manifest.json, one table each, and what their types cannot say.
//
// The same as the dataclasses of groupvit_runtime.manifest and .contract; records of which this runtime uses
// nothing are checked all the same. Included by manifest.cpp alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "contract.hpp"
#include "error.hpp"
#include "manifest.hpp"
#include "record.hpp"

namespace groupvit::detail {

struct CheckpointRecord {
  std::string source, format, fingerprint;
};

struct KeptRecord {
  std::string reason;
  std::vector<std::string> nodes;
};

struct QuantizedLayerRecord {
  std::string name;
  bool quantized = false;
  std::optional<double> sensitivity;
};

struct CalibrationRecord {
  std::string source;
  std::optional<std::string> folder;
  bool has_masks = false;
  std::int64_t images = 0, ranked = 0, held_out = 0;
};

struct LabelLimitsRecord {
  double max_miou_drop = 0, min_agreement = 0;
};

struct QuantizationRecord : QuantizationInfo {
  std::string method;
  CalibrationRecord calibration;
  LabelLimitsRecord budget;
  std::vector<QuantizedLayerRecord> layers;
};

struct EngineRecord : EngineInfo {
  std::vector<KeptRecord> kept;
  std::optional<QuantizationRecord> quantization_record;
};

struct ParityRowRecord {
  std::string name;
  std::optional<std::string> verdict;
  std::optional<double> value, budget;
  std::string detail;
};

struct ParityRecord {
  std::string verdict;
  std::vector<std::string> cases;
  std::vector<ParityRowRecord> rows;
  std::optional<std::string> first, substitute;
};

struct PrecisionRecord {
  std::string precision, verdict;
  std::optional<double> miou, agreement, latency_ms;
  std::string detail;
};

struct PreprocessingRecord : Preprocessing {
  std::string rounding = "uint8";
};

struct PreprocessingsRecord {
  PreprocessingRecord hf, paper;
};

struct DecodeRecord {
  std::string default_decode;
  std::optional<PaperDecode> paper;
};

struct ManifestRecord {
  std::int64_t schema_version = 0;
  std::string name, created, command, toolkit_version;
  CheckpointRecord checkpoint;
  ModelInfo model;
  std::vector<EngineRecord> engines;
  std::optional<FileInfo> tokenizer;
  std::vector<std::string> prompts;
  PreprocessingsRecord preprocessing;
  DecodeRecord decode;
  std::vector<std::string> passes;
  std::vector<VocabularyInfo> vocabularies;
  std::optional<ParityRecord> parity;
  std::vector<PrecisionRecord> precisions;
};

namespace manifest_fields {

// Strings that stay strings.
inline std::vector<std::pair<const char*, std::string>> words(std::vector<const char*> allowed) {
  std::vector<std::pair<const char*, std::string>> pairs;
  for (const char* word : allowed) pairs.emplace_back(word, word);
  return pairs;
}

inline const auto kVerdicts = words({"PASS", "AMBIGUOUS", "FAIL"});
inline const auto kDecodes = words({"hf", "paper"});

[[noreturn]] inline void refuse(const std::string& field, const std::string& got, const std::string& expected) {
  throw Error(GROUPVIT_ERROR_BUNDLE, field + " cannot be followed", got, expected,
              "correct the field in the manifest, or export the bundle again");
}

inline std::string shown(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t side : shape) text += (text.empty() ? "" : ", ") + std::to_string(side);
  return "[" + text + "]";
}

}  // namespace manifest_fields

// A size is a list of two.
inline void decode(Size& out, const json::Value& value, const std::string& where) {
  std::array<std::int64_t, 2> sides{};
  record::decode(sides, value, where);
  out = {sides[0], sides[1]};
}

inline auto fields(const FileInfo*) {
  using R = FileInfo;
  return std::make_tuple(record::required("path", &R::path), record::required("sha256", &R::sha256),
                         record::required("bytes", &R::bytes));
}

inline auto fields(const TensorInfo*) {
  using R = TensorInfo;
  return std::make_tuple(record::required("name", &R::name), record::required("dtype", &R::dtype),
                         record::required("shape", &R::shape));
}

inline auto fields(const ProfileInfo*) {
  using R = ProfileInfo;
  return std::make_tuple(record::required("name", &R::name), record::required("min", &R::min),
                         record::required("opt", &R::opt), record::required("max", &R::max));
}

inline auto fields(const TensorRTInfo*) {
  using R = TensorRTInfo;
  return std::make_tuple(
      record::one_of("flavor", &R::flavor, manifest_fields::words({"tensorrt", "rtx"})),
      record::required("version", &R::version),
      record::required("compute_capabilities", &R::compute_capabilities),
      record::one_of("hardware_compatibility", &R::hardware_compatibility,
                     manifest_fields::words({"none", "ampere+", "same-cc"})),
      record::required("version_compatible", &R::version_compatible), record::required("tf32", &R::tf32),
      record::required("stripped", &R::stripped), record::required("refittable", &R::refittable),
      record::required("profiles", &R::profiles), record::required("rebuild", &R::rebuild));
}

inline auto fields(const KeptRecord*) {
  using R = KeptRecord;
  return std::make_tuple(record::required("reason", &R::reason), record::required("nodes", &R::nodes));
}

inline auto fields(const QuantizedLayerRecord*) {
  using R = QuantizedLayerRecord;
  return std::make_tuple(record::required("name", &R::name), record::required("quantized", &R::quantized),
                         record::required("sensitivity", &R::sensitivity));
}

inline auto fields(const CalibrationRecord*) {
  using R = CalibrationRecord;
  return std::make_tuple(record::one_of("source", &R::source, manifest_fields::words({"bundled", "folder"})),
                         record::required("folder", &R::folder), record::required("has_masks", &R::has_masks),
                         record::required("images", &R::images), record::required("ranked", &R::ranked),
                         record::required("held_out", &R::held_out));
}

inline auto fields(const LabelLimitsRecord*) {
  using R = LabelLimitsRecord;
  return std::make_tuple(record::required("max_miou_drop", &R::max_miou_drop),
                         record::required("min_agreement", &R::min_agreement));
}

inline auto fields(const QuantizationRecord*) {
  using R = QuantizationRecord;
  return std::make_tuple(record::required("method", &R::method), record::required("calibration", &R::calibration),
                         record::required("budget", &R::budget), record::required("layers", &R::layers),
                         record::optional("instruction_set", &R::instruction_set),
                         record::optional("never_saturates", &R::never_saturates));
}

inline auto fields(const EngineRecord*) {
  using R = EngineRecord;
  return std::make_tuple(
      record::one_of("role", &R::role, manifest_fields::words({"image", "text"})),
      record::required("target", &R::target), record::required("precision", &R::precision),
      record::required("files", &R::files), record::required("inputs", &R::inputs),
      record::required("outputs", &R::outputs), record::required("versions", &R::versions),
      record::required("hardware", &R::hardware), record::optional("kept", &R::kept),
      record::optional("source", &R::source), record::optional("tensorrt", &R::tensorrt),
      record::one_of("normalizes", &R::normalizes, manifest_fields::kDecodes, false),
      record::optional("quantization", &R::quantization_record));
}

inline auto fields(const CheckpointRecord*) {
  using R = CheckpointRecord;
  return std::make_tuple(record::required("source", &R::source), record::required("format", &R::format),
                         record::required("fingerprint", &R::fingerprint));
}

inline auto fields(const ModelInfo*) {
  using R = ModelInfo;
  return std::make_tuple(record::required("image_size", &R::image_size),
                         record::required("patch_size", &R::patch_size), record::required("grid", &R::grid),
                         record::required("groups", &R::groups),
                         record::required("projection_dim", &R::projection_dim),
                         record::required("logit_scale", &R::logit_scale),
                         record::required("text_max_length", &R::text_max_length),
                         record::required("text_pad_id", &R::text_pad_id));
}

inline auto fields(const PreprocessingRecord*) {
  using R = PreprocessingRecord;
  return std::make_tuple(
      record::one_of("resize", &R::resize,
                     {{"whole", ResizeMode::kWhole}, {"short_side", ResizeMode::kShortSide}}),
      record::required("antialias", &R::antialias), record::required("mean", &R::mean),
      record::required("std", &R::std),
      record::one_of("filter", &R::filter,
                     {{"nearest", ResizeFilter::kNearest},
                      {"bilinear", ResizeFilter::kBilinear},
                      {"bicubic", ResizeFilter::kBicubic},
                      {"lanczos", ResizeFilter::kLanczos},
                      {"box", ResizeFilter::kBox},
                      {"hamming", ResizeFilter::kHamming}},
                     false),
      record::one_of("color_order", &R::color_order, {{"RGB", ColorOrder::kRgb}, {"BGR", ColorOrder::kBgr}}, false),
      record::one_of("rounding", &R::rounding, manifest_fields::words({"uint8"}), false),
      record::optional("rescale", &R::rescale));
}

inline auto fields(const PreprocessingsRecord*) {
  using R = PreprocessingsRecord;
  return std::make_tuple(record::required("hf", &R::hf), record::required("paper", &R::paper));
}

inline auto fields(const SlidingWindow*) {
  using R = SlidingWindow;
  return std::make_tuple(record::required("size", &R::size), record::required("stride", &R::stride),
                         record::required("long_side_max", &R::long_side_max));
}

inline auto fields(const PaperDecode*) {
  using R = PaperDecode;
  return std::make_tuple(record::required("window", &R::window),
                         record::required("background_threshold", &R::background_threshold),
                         record::optional("top_classes", &R::top_classes),
                         record::optional("max_logit_scale", &R::max_logit_scale));
}

inline auto fields(const DecodeRecord*) {
  using R = DecodeRecord;
  return std::make_tuple(record::one_of("default", &R::default_decode, manifest_fields::kDecodes),
                         record::required("paper", &R::paper));
}

inline auto fields(const VocabularyInfo*) {
  using R = VocabularyInfo;
  return std::make_tuple(record::required("name", &R::name), record::required("size", &R::size),
                         record::required("file", &R::file));
}

inline auto fields(const ParityRowRecord*) {
  using R = ParityRowRecord;
  return std::make_tuple(record::required("name", &R::name),
                         record::one_of("verdict", &R::verdict, manifest_fields::kVerdicts),
                         record::required("value", &R::value), record::required("budget", &R::budget),
                         record::required("detail", &R::detail));
}

inline auto fields(const ParityRecord*) {
  using R = ParityRecord;
  return std::make_tuple(record::one_of("verdict", &R::verdict, manifest_fields::kVerdicts),
                         record::required("cases", &R::cases), record::required("rows", &R::rows),
                         record::required("first", &R::first), record::optional("substitute", &R::substitute));
}

inline auto fields(const PrecisionRecord*) {
  using R = PrecisionRecord;
  return std::make_tuple(record::required("precision", &R::precision),
                         record::one_of("verdict", &R::verdict, manifest_fields::kVerdicts),
                         record::required("miou", &R::miou), record::required("agreement", &R::agreement),
                         record::required("latency_ms", &R::latency_ms), record::required("detail", &R::detail));
}

inline auto fields(const ManifestRecord*) {
  using R = ManifestRecord;
  return std::make_tuple(
      record::required("schema_version", &R::schema_version), record::required("name", &R::name),
      record::required("created", &R::created), record::required("command", &R::command),
      record::required("toolkit_version", &R::toolkit_version), record::required("checkpoint", &R::checkpoint),
      record::required("model", &R::model), record::required("engines", &R::engines),
      record::required("tokenizer", &R::tokenizer), record::required("prompts", &R::prompts),
      record::required("preprocessing", &R::preprocessing), record::required("decode", &R::decode),
      record::optional("passes", &R::passes), record::optional("vocabularies", &R::vocabularies),
      record::optional("parity", &R::parity), record::optional("precisions", &R::precisions));
}

inline void check(const FileInfo& file) {
  bool leaves = file.path.empty() || file.path.front() == '/' ||
                file.path.find_first_of(std::string("\\:\0", 3)) != std::string::npos;
  for (std::size_t start = 0; start <= file.path.size();) {
    const std::size_t end = std::min(file.path.find('/', start), file.path.size());
    leaves = leaves || file.path.compare(start, end - start, "..") == 0;
    start = end + 1;
  }
  if (!leaves) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "the manifest names a file outside the bundle", "'" + file.path + "'",
              "a relative path without '..'", "do not use this bundle; get it again from where it was exported");
}

inline void check(const ProfileInfo& profile) {
  const std::size_t rank = profile.min.size();
  bool right = rank != 0 && profile.opt.size() == rank && profile.max.size() == rank;
  for (std::size_t i = 0; right && i < rank; ++i) {
    right = 1 <= profile.min[i] && profile.min[i] <= profile.opt[i] && profile.opt[i] <= profile.max[i];
  }
  if (right) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "the profile of " + profile.name + " is none",
              "min " + manifest_fields::shown(profile.min) + ", opt " + manifest_fields::shown(profile.opt) +
                  ", max " + manifest_fields::shown(profile.max),
              "1 <= min <= opt <= max in every dimension", "export the bundle again");
}

inline void check(const TensorRTInfo& info) {
  if (!info.profiles.empty()) return;
  throw Error(GROUPVIT_ERROR_BUNDLE, "the engine has no profile", "an empty list", "one for every input",
              "export the bundle again");
}

inline void check(const PreprocessingRecord& spec) {
  if (spec.rescale <= 0) {
    manifest_fields::refuse("preprocessing.rescale", std::to_string(spec.rescale), "a number above 0");
  }
  for (const double value : spec.std) {
    if (value <= 0) manifest_fields::refuse("preprocessing.std", std::to_string(value), "a number above 0");
  }
  if (spec.filter == ResizeFilter::kNearest && spec.antialias) {
    manifest_fields::refuse("preprocessing.antialias", "true", "false: the nearest filter has no antialiasing");
  }
  if (spec.filter != ResizeFilter::kNearest && spec.filter != ResizeFilter::kBilinear && !spec.antialias) {
    manifest_fields::refuse("preprocessing.antialias", "false", "true: this filter exists antialiased only");
  }
}

inline void check(const SlidingWindow& window) {
  for (const auto& [name, value] : {std::pair("window.size", window.size), std::pair("window.stride", window.stride),
                                    std::pair("window.long_side_max", window.long_side_max)}) {
    if (value < 1) manifest_fields::refuse(name, std::to_string(value), "an integer of at least 1");
  }
  if (window.stride > window.size) {
    manifest_fields::refuse("window.stride", std::to_string(window.stride),
                            "at most the window's size, " + std::to_string(window.size));
  }
  if (window.long_side_max < window.size) {
    manifest_fields::refuse("window.long_side_max", std::to_string(window.long_side_max),
                            "at least the window, " + std::to_string(window.size));
  }
}

inline void check(const PaperDecode& decode) {
  if (decode.background_threshold && !(0 <= *decode.background_threshold && *decode.background_threshold <= 1)) {
    manifest_fields::refuse("decode.background_threshold", std::to_string(*decode.background_threshold),
                            "0 to 1, or null");
  }
  if (decode.top_classes < 1) {
    manifest_fields::refuse("decode.top_classes", std::to_string(decode.top_classes), "an integer of at least 1");
  }
  if (decode.max_logit_scale <= 0) {
    manifest_fields::refuse("decode.max_logit_scale", std::to_string(decode.max_logit_scale), "a number above 0");
  }
}

}  // namespace groupvit::detail
