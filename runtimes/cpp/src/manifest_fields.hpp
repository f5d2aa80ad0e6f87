// The fields of every record of manifest.json, one table each, and what their types cannot say.
//
// The same as the dataclasses of groupvit_runtime.manifest and .contract. Included by manifest.cpp alone.
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
  std::string format;
  SchemaVersion schema_version;
  std::vector<std::string> requirements;
  std::string name, fingerprint;
  std::optional<std::string> verdict;
  ModelInfo model;
  std::vector<EngineInfo> engines;
  std::optional<FileInfo> tokenizer;
  std::vector<std::string> prompts;
  PreprocessingsRecord preprocessing;
  DecodeRecord decode;
  std::vector<VocabularyInfo> vocabularies;
};

namespace manifest_fields {

// Strings that stay strings.
inline std::vector<std::pair<const char*, std::string>> words(std::vector<const char*> allowed) {
  std::vector<std::pair<const char*, std::string>> pairs;
  for (const char* word : allowed) pairs.emplace_back(word, word);
  return pairs;
}

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
  return std::make_tuple(record::field("path", &R::path), record::field("sha256", &R::sha256),
                         record::field("bytes", &R::bytes));
}

inline auto fields(const TensorInfo*) {
  using R = TensorInfo;
  return std::make_tuple(record::field("name", &R::name), record::field("dtype", &R::dtype),
                         record::field("shape", &R::shape));
}

inline auto fields(const ProfileInfo*) {
  using R = ProfileInfo;
  return std::make_tuple(record::field("name", &R::name), record::field("min", &R::min),
                         record::field("opt", &R::opt), record::field("max", &R::max));
}

inline auto fields(const TensorRTInfo*) {
  using R = TensorRTInfo;
  return std::make_tuple(
      record::one_of("flavor", &R::flavor, manifest_fields::words({"tensorrt", "rtx"})),
      record::field("version", &R::version),
      record::field("compute_capabilities", &R::compute_capabilities),
      record::one_of("hardware_compatibility", &R::hardware_compatibility,
                     manifest_fields::words({"none", "ampere+", "same-cc"})),
      record::field("version_compatible", &R::version_compatible), record::field("tf32", &R::tf32),
      record::field("stripped", &R::stripped), record::field("refittable", &R::refittable),
      record::field("profiles", &R::profiles), record::field("rebuild", &R::rebuild));
}

inline auto fields(const QuantizationInfo*) {
  using R = QuantizationInfo;
  return std::make_tuple(record::field("instruction_set", &R::instruction_set),
                         record::field("never_saturates", &R::never_saturates));
}

inline auto fields(const EngineInfo*) {
  using R = EngineInfo;
  return std::make_tuple(
      record::one_of("role", &R::role, manifest_fields::words({"image", "text"})),
      record::field("target", &R::target), record::field("precision", &R::precision),
      record::field("files", &R::files), record::field("inputs", &R::inputs), record::field("outputs", &R::outputs),
      record::field("versions", &R::versions), record::field("hardware", &R::hardware),
      record::field("source", &R::source), record::field("tensorrt", &R::tensorrt),
      record::one_of("normalizes", &R::normalizes, manifest_fields::kDecodes),
      record::field("quantization", &R::quantization));
}

inline auto fields(const ModelInfo*) {
  using R = ModelInfo;
  return std::make_tuple(record::field("image_size", &R::image_size),
                         record::field("patch_size", &R::patch_size), record::field("grid", &R::grid),
                         record::field("groups", &R::groups),
                         record::field("projection_dim", &R::projection_dim),
                         record::field("logit_scale", &R::logit_scale),
                         record::field("text_max_length", &R::text_max_length),
                         record::field("text_pad_id", &R::text_pad_id));
}

inline auto fields(const PreprocessingRecord*) {
  using R = PreprocessingRecord;
  return std::make_tuple(
      record::one_of("resize", &R::resize,
                     {{"whole", ResizeMode::kWhole}, {"short_side", ResizeMode::kShortSide}}),
      record::field("antialias", &R::antialias), record::field("mean", &R::mean),
      record::field("std", &R::std),
      record::one_of("filter", &R::filter,
                     {{"nearest", ResizeFilter::kNearest},
                      {"bilinear", ResizeFilter::kBilinear},
                      {"bicubic", ResizeFilter::kBicubic},
                      {"lanczos", ResizeFilter::kLanczos},
                      {"box", ResizeFilter::kBox},
                      {"hamming", ResizeFilter::kHamming},
                      {"opencv_bilinear", ResizeFilter::kOpenCvBilinear}}),
      record::one_of("color_order", &R::color_order, {{"RGB", ColorOrder::kRgb}, {"BGR", ColorOrder::kBgr}}),
      record::one_of("rounding", &R::rounding, manifest_fields::words({"uint8"})),
      record::field("rescale", &R::rescale));
}

inline auto fields(const PreprocessingsRecord*) {
  using R = PreprocessingsRecord;
  return std::make_tuple(record::field("hf", &R::hf), record::field("paper", &R::paper));
}

inline auto fields(const SlidingWindow*) {
  using R = SlidingWindow;
  return std::make_tuple(record::field("size", &R::size), record::field("stride", &R::stride),
                         record::field("long_side_max", &R::long_side_max));
}

inline auto fields(const PaperDecode*) {
  using R = PaperDecode;
  return std::make_tuple(record::field("window", &R::window),
                         record::field("background_threshold", &R::background_threshold),
                         record::field("top_classes", &R::top_classes),
                         record::field("max_logit_scale", &R::max_logit_scale));
}

inline auto fields(const DecodeRecord*) {
  using R = DecodeRecord;
  return std::make_tuple(record::one_of("default", &R::default_decode, manifest_fields::kDecodes),
                         record::field("paper", &R::paper));
}

inline auto fields(const VocabularyInfo*) {
  using R = VocabularyInfo;
  return std::make_tuple(record::field("name", &R::name), record::field("size", &R::size),
                         record::field("file", &R::file));
}

inline auto fields(const SchemaVersion*) {
  using R = SchemaVersion;
  return std::make_tuple(record::field("major", &R::major), record::field("minor", &R::minor));
}

inline auto fields(const ManifestRecord*) {
  using R = ManifestRecord;
  return std::make_tuple(
      record::one_of("format", &R::format, manifest_fields::words({kFormat})),
      record::field("schema_version", &R::schema_version), record::field("requires", &R::requirements),
      record::field("name", &R::name), record::field("fingerprint", &R::fingerprint),
      record::one_of("verdict", &R::verdict, manifest_fields::words({"PASS", "AMBIGUOUS", "FAIL"})),
      record::field("model", &R::model), record::field("engines", &R::engines),
      record::field("tokenizer", &R::tokenizer), record::field("prompts", &R::prompts),
      record::field("preprocessing", &R::preprocessing), record::field("decode", &R::decode),
      record::field("vocabularies", &R::vocabularies));
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
  const bool never = spec.filter == ResizeFilter::kNearest || spec.filter == ResizeFilter::kOpenCvBilinear;
  if (never && spec.antialias) {
    manifest_fields::refuse("preprocessing.antialias", "true", "false: this filter has no antialiasing");
  }
  if (!never && spec.filter != ResizeFilter::kBilinear && !spec.antialias) {
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
