// manifest.json: what a runtime needs to know of a bundle, checked as strictly as groupvit_runtime.manifest does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contract.hpp"
#include "regular_file.hpp"

namespace groupvit::detail {

inline constexpr char kFormat[] = "groupvit-bundle";
inline constexpr std::uint64_t kMaxManifestBytes = 4u << 20;

// Another major version is refused; a larger minor one has fields more, which are ignored.
struct SchemaVersion {
  std::int64_t major = 5, minor = 3;
};

struct FileInfo {
  std::string path;
  std::string sha256;
  std::int64_t bytes = 0;

  // Full path after checking that the file is inside `root`, there, and of the right size.
  std::filesystem::path locate(const std::filesystem::path& root) const;
  // The contents, before they are compared with the hash: `check` does that, with what is in memory.
  Bytes load(const std::filesystem::path& root) const;
  void check(const Bytes& contents, const std::filesystem::path& root) const;
  // Both. All of these throw Error(GROUPVIT_ERROR_BUNDLE).
  Bytes read(const std::filesystem::path& root) const;
};

// -1 in `shape` is a dimension chosen at run time.
struct TensorInfo {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
};

struct ProfileInfo {
  std::string name;
  std::vector<std::int64_t> min, opt, max;
};

struct TensorRTInfo {
  std::string flavor;  // "tensorrt" or "rtx"
  std::string version;
  std::vector<std::string> compute_capabilities;
  std::string hardware_compatibility;
  bool version_compatible = false;
  bool tf32 = false;
  bool stripped = false;
  bool refittable = false;
  std::vector<ProfileInfo> profiles;
  std::string rebuild;
};

// Of int8.
struct QuantizationInfo {
  std::optional<std::string> instruction_set;  // of the processor that it was judged on, as Linux names it
  bool never_saturates = false;  // also where two products are added in 16 bits
};

struct EngineInfo {
  std::string role;  // "image" or "text"
  std::string target;
  std::string precision;
  std::vector<FileInfo> files;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  std::map<std::string, std::string> versions;
  std::string hardware;
  std::optional<FileInfo> source;
  std::optional<TensorRTInfo> tensorrt;
  std::optional<std::string> normalizes;  // "hf" or "paper"
  std::optional<QuantizationInfo> quantization;

  // The largest batch it takes, and the only one where its inputs say one; empty where there is no limit.
  std::optional<std::int64_t> max_batch() const;
  bool takes(std::string_view input) const;
};

struct ModelInfo {
  Size image_size;
  std::int64_t patch_size = 0;
  Size grid;
  std::vector<std::int64_t> groups;
  std::int64_t projection_dim = 0;
  double logit_scale = 0;
  std::int64_t text_max_length = 0;
  std::int64_t text_pad_id = 0;
};

struct VocabularyInfo {
  std::string name;
  std::int64_t size = 0;
  FileInfo file;
};

// Which image engine was the fastest where the bundle was exported.
struct MeasuredInfo {
  std::vector<std::string> instruction_sets;  // of the processor, as instruction_sets() gives them
  std::vector<std::string> fastest_first;     // precisions
};

struct Manifest {
  std::string name;
  std::string fingerprint;             // of the checkpoint's weights; vocabularies of others are refused
  std::optional<std::string> verdict;  // of the comparison at export: "PASS", "AMBIGUOUS" or "FAIL"
  ModelInfo model;
  std::vector<EngineInfo> engines;
  // The same image encoder in other precisions, of which one may be taken in place of that in `engines`.
  std::vector<EngineInfo> alternatives;
  std::optional<MeasuredInfo> measured;
  std::optional<FileInfo> tokenizer;
  TextCleaning text_cleaning = TextCleaning::kNone;
  std::vector<std::string> prompts;
  Preprocessing hf, paper;
  std::string default_decode;  // "hf" or "paper"
  std::optional<PaperDecode> paper_decode;
  std::vector<VocabularyInfo> vocabularies;
  std::string digest;  // of the bundle: the sha256 of the file that all this was read from

  const EngineInfo& engine(std::string_view role) const;
  // That in `engines` and the alternatives, each of another precision.
  std::vector<const EngineInfo*> image_engines() const;
};

// Throws Error(GROUPVIT_ERROR_BUNDLE) for everything that parse_manifest of the Python runtime refuses.
Manifest parse_manifest(std::string_view text, const std::string& where);
// `digest`: that the bundle must have, checked before anything in it is believed; empty for any. What is none is
// Error(GROUPVIT_ERROR_USAGE).
Manifest read_manifest(const std::filesystem::path& root, const std::string& digest = {});

}  // namespace groupvit::detail
