// Images and words in, label maps out; by the rules of groupvit_runtime.segmenter.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bundle.hpp"
#include "choose_engine.hpp"
#include "competition.hpp"
#include "decode.hpp"
#include "engines/engine.hpp"
#include "preprocess.hpp"
#include "process.hpp"
#include "soft_result.hpp"
#include "text_encoder.hpp"
#include "vocabulary.hpp"

namespace groupvit::detail {

struct SessionOptions {
  EngineOptions engine;
  std::string decode;  // "hf", "paper", or empty for the bundle's own
  std::string digest;  // that the bundle must have; empty for any
  std::string precision;  // of the image engine; empty for the fastest that the processor computes natively
  std::int64_t batch_size =
      0;  // most windows of an image that run at once; 0: 8, or fewer if the engine says so
};

using VocabularyPointer = std::shared_ptr<const Vocabulary>;

// How to segment one image.
struct SegmentOptions {
  std::string decode = {};  // empty: the session's
  std::optional<double> background_threshold = std::nullopt;
  std::optional<double> threshold = std::nullopt;  // below it a pixel is unlabeled
  VocabularyPointer negatives = nullptr;           // which compete and are unlabeled
};

struct Segmentation {
  Size size;
  LabelMap labels;
  std::vector<std::string> names;
  std::vector<double> scores;  // of the vocabulary's classes
  std::vector<std::string> score_names;
  std::optional<std::uint16_t> unlabeled;
  std::shared_ptr<const SoftResult> soft;
};

class Session {
 public:
  // Checks the manifest, verifies the image engine's files and loads it; the text engine comes when it is asked for.
  explicit Session(const std::filesystem::path& bundle, const SessionOptions& options = {},
                   EngineLoader loader = load_engine, const ProcessorFlags& flags = processor_flags());

  const Manifest& manifest() const { return bundle_.manifest; }
  const EngineInfo& image_engine() const { return choice_.engine; }
  const std::string& engine_description() const { return engine_description_; }
  // Of a bundle that does not equal the reference, or of a precision that is slow on this processor; empty for any
  // other.
  std::string warning() const;
  const std::string& default_decode() const { return decode_; }

  // Throw Error(GROUPVIT_ERROR_LABEL). `encode` and `segment` throw Error(GROUPVIT_ERROR_ENGINE) in a process that was
  // forked from the one that loaded the bundle.
  VocabularyPointer open_vocabulary(const std::string& name) const;
  VocabularyPointer open_vocabulary_file(const std::filesystem::path& path) const;
  // `templates` empty: the bundle's own.
  VocabularyPointer encode(const std::vector<std::string>& names,
                           const std::optional<std::vector<std::string>>& templates);

  Segmentation segment(RgbImage image, const VocabularyPointer& vocabulary, const SegmentOptions& options = {});

 private:
  void check_fits(const Vocabulary& vocabulary) const;
  void check_normalizes(const std::string& decode) const;
  const PaperDecode& paper_constants() const;
  VocabularyPointer checked(Vocabulary vocabulary) const;
  Competition competition(const VocabularyPointer& vocabulary, const SegmentOptions& options);
  Segmentation segment_whole(RgbImage image, const Competition& competition);
  Segmentation segment_windows(RgbImage image, const Competition& competition,
                               std::optional<double> background_threshold);
  TextEncoder& text_encoder();
  // The empty prompt, by itself: an image of anything. The label `alone` competes with it.
  VocabularyPointer anything(const std::string& alone);

  OwningProcess process_;
  Bundle bundle_;
  EngineOptions engine_options_;
  EngineLoader loader_;
  std::string decode_;
  std::int64_t batch_size_ = 0;
  EngineChoice choice_;
  std::unique_ptr<Engine> image_engine_;
  std::string engine_description_;
  std::mutex text_mutex_;
  std::unique_ptr<TextEncoder> text_;
  VocabularyPointer anything_;
};

}  // namespace groupvit::detail
