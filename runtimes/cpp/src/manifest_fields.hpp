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
  std::vector<EngineInfo> alternatives;
  std::optional<MeasuredInfo> measured;
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
inline void check_bounds(const record::Bounds& bounds, const Size& size, const std::string& where) {
  record::check_bounds(bounds, std::array<std::int64_t, 2>{size.height, size.width}, where);
}

inline void decode(Size& out, const json::Value& value, const std::string& where) {
  std::array<std::int64_t, 2> sides{};
  record::decode(sides, value, where);
  out = {sides[0], sides[1]};
}

inline auto fields(const FileInfo*) {
  using R = FileInfo;
  return std::make_tuple(record::field("path", &R::path, record::line()), record::field("sha256", &R::sha256, record::sha256()),
                         record::field("bytes", &R::bytes, record::range(0, 17179869184.0)));
}

inline auto fields(const TensorInfo*) {
  using R = TensorInfo;
  return std::make_tuple(record::field("name", &R::name, record::word()), record::field("dtype", &R::dtype, record::word()),
                         record::field("shape", &R::shape, record::list(8, record::range(-1, 2147483647))));
}

inline auto fields(const ProfileInfo*) {
  using R = ProfileInfo;
  return std::make_tuple(record::field("name", &R::name, record::word()), record::field("min", &R::min, record::list(8, record::range(1, 2147483647))),
                         record::field("opt", &R::opt, record::list(8, record::range(1, 2147483647))), record::field("max", &R::max, record::list(8, record::range(1, 2147483647))));
}

inline auto fields(const TensorRTInfo*) {
  using R = TensorRTInfo;
  return std::make_tuple(
      record::one_of("flavor", &R::flavor, manifest_fields::words({"tensorrt", "rtx"})),
      record::field("version", &R::version, record::word()),
      record::field("compute_capabilities", &R::compute_capabilities, record::list(64, record::word())),
      record::one_of("hardware_compatibility", &R::hardware_compatibility,
                     manifest_fields::words({"none", "ampere+", "same-cc"})),
      record::field("version_compatible", &R::version_compatible), record::field("tf32", &R::tf32),
      record::field("stripped", &R::stripped), record::field("refittable", &R::refittable),
      record::field("profiles", &R::profiles, record::list(16)), record::field("rebuild", &R::rebuild, record::text(8192)));
}

inline auto fields(const QuantizationInfo*) {
  using R = QuantizationInfo;
  return std::make_tuple(record::field("instruction_set", &R::instruction_set, record::word()),
                         record::field("never_saturates", &R::never_saturates));
}

inline auto fields(const EngineInfo*) {
  using R = EngineInfo;
  return std::make_tuple(
      record::one_of("role", &R::role, manifest_fields::words({"image", "text"})),
      record::field("target", &R::target, record::word()), record::field("precision", &R::precision, record::word()),
      record::field("files", &R::files, record::list(8)), record::field("inputs", &R::inputs, record::list(16)), record::field("outputs", &R::outputs, record::list(64)),
      record::field("versions", &R::versions, record::list(64, record::word())), record::field("hardware", &R::hardware, record::line()),
      record::field("source", &R::source), record::field("tensorrt", &R::tensorrt),
      record::one_of("normalizes", &R::normalizes, manifest_fields::kDecodes),
      record::field("quantization", &R::quantization));
}

inline auto fields(const ModelInfo*) {
  using R = ModelInfo;
  return std::make_tuple(record::field("image_size", &R::image_size, record::list(2, record::side())),
                         record::field("patch_size", &R::patch_size, record::side()), record::field("grid", &R::grid, record::list(2, record::side())),
                         record::field("groups", &R::groups, record::list(8, record::side(), 1)),
                         record::field("projection_dim", &R::projection_dim, record::range(1, 16384)),
                         record::field("logit_scale", &R::logit_scale, record::range(-50, 50)),
                         record::field("text_max_length", &R::text_max_length, record::side()),
                         record::field("text_pad_id", &R::text_pad_id, record::range(0, 2147483647)));
}

inline auto fields(const PreprocessingRecord*) {
  using R = PreprocessingRecord;
  return std::make_tuple(
      record::one_of("resize", &R::resize,
                     {{"whole", ResizeMode::kWhole}, {"short_side", ResizeMode::kShortSide}}),
      record::field("antialias", &R::antialias), record::field("mean", &R::mean, record::list(3, record::range(-1e6, 1e6))),
      record::field("std", &R::std, record::list(3, record::range(1e-6, 1e6))),
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
      record::field("rescale", &R::rescale, record::range(1e-6, 1e6)));
}

inline auto fields(const PreprocessingsRecord*) {
  using R = PreprocessingsRecord;
  return std::make_tuple(record::field("hf", &R::hf), record::field("paper", &R::paper));
}

inline auto fields(const SlidingWindow*) {
  using R = SlidingWindow;
  return std::make_tuple(record::field("size", &R::size, record::side()), record::field("stride", &R::stride, record::side()),
                         record::field("long_side_max", &R::long_side_max, record::range(1, 16384)));
}

inline auto fields(const PaperDecode*) {
  using R = PaperDecode;
  return std::make_tuple(record::field("window", &R::window),
                         record::field("background_threshold", &R::background_threshold),
                         record::field("top_classes", &R::top_classes, record::range(1, 65535)),
                         record::field("max_logit_scale", &R::max_logit_scale, record::range(1e-6, 1e6)));
}

inline auto fields(const DecodeRecord*) {
  using R = DecodeRecord;
  return std::make_tuple(record::one_of("default", &R::default_decode, manifest_fields::kDecodes),
                         record::field("paper", &R::paper));
}

inline auto fields(const VocabularyInfo*) {
  using R = VocabularyInfo;
  return std::make_tuple(record::field("name", &R::name, record::word()), record::field("size", &R::size, record::range(1, 65535)),
                         record::field("file", &R::file));
}

inline auto fields(const SchemaVersion*) {
  using R = SchemaVersion;
  return std::make_tuple(record::field("major", &R::major, record::range(0, 2147483647)), record::field("minor", &R::minor, record::range(0, 2147483647)));
}

inline auto fields(const MeasuredInfo*) {
  using R = MeasuredInfo;
  return std::make_tuple(record::field("instruction_sets", &R::instruction_sets, record::list(8, record::word(), 1)),
                         record::field("fastest_first", &R::fastest_first, record::list(8, record::word(), 1)));
}

inline auto fields(const ManifestRecord*) {
  using R = ManifestRecord;
  return std::make_tuple(
      record::one_of("format", &R::format, manifest_fields::words({kFormat})),
      record::field("schema_version", &R::schema_version), record::field("requires", &R::requirements, record::list(64, record::word())),
      record::field("name", &R::name, record::line()), record::field("fingerprint", &R::fingerprint, record::sha256()),
      record::one_of("verdict", &R::verdict, manifest_fields::words({"PASS", "AMBIGUOUS", "FAIL"})),
      record::field("model", &R::model), record::field("engines", &R::engines, record::list(8)),
      record::field("tokenizer", &R::tokenizer), record::field("prompts", &R::prompts, record::list(1024, record::text(1024, record::Form::kTemplate), 1)),
      record::field("preprocessing", &R::preprocessing), record::field("decode", &R::decode),
      record::field("vocabularies", &R::vocabularies, record::list(1024)),
      record::added_later(record::field("alternatives", &R::alternatives, record::list(8))),
      record::added_later(record::field("measured", &R::measured)));
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
  const bool never = spec.filter == ResizeFilter::kNearest || spec.filter == ResizeFilter::kOpenCvBilinear;
  if (never && spec.antialias) {
    manifest_fields::refuse("preprocessing.antialias", "true", "false: this filter has no antialiasing");
  }
  if (!never && spec.filter != ResizeFilter::kBilinear && !spec.antialias) {
    manifest_fields::refuse("preprocessing.antialias", "false", "true: this filter exists antialiased only");
  }
}

inline void check(const SlidingWindow& window) {
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
}

}  // namespace groupvit::detail
