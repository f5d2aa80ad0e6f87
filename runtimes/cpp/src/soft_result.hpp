// What was found of one image beside its label map; computed where it is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "decode.hpp"
#include "image_outputs.hpp"
#include "manifest.hpp"
#include "score_map.hpp"
#include "vocabulary.hpp"

namespace groupvit::detail {

// What an image's scores and groups are computed from. `words`: all classes that compete.
struct Encoded {
  EncodedWindows outputs;
  std::shared_ptr<const Vocabulary> words;
  ModelInfo model;
  Size size;

  Classes classes() const;
};

class SoftResult {
 public:
  virtual ~SoftResult() = default;

  // Of the image's size, and as coarse as the decode has them before that.
  virtual std::unique_ptr<const ScoreMap> score_map() const = 0;
  virtual std::unique_ptr<const ScoreMap> coarse_score_map() const = 0;
  virtual Size coarse_size() const = 0;
  // Of the grouping block `stage`, from 1; 0 for the last. Throws Error(GROUPVIT_ERROR_USAGE): there is none.
  virtual LabelMap groups(std::int64_t stage) const = 0;
  // Of the last stage, windows one after the other; their scores float32 [groups, words].
  virtual std::size_t group_count() const = 0;
  virtual std::vector<float> group_scores() const = 0;
  // Of Hugging Face's segmentation logits: their size, and one class of them. Where the decode has none, the size is 0
  // and the call an Error(GROUPVIT_ERROR_USAGE).
  virtual Size logits_size() const = 0;
  virtual std::vector<float> logits(std::size_t word) const = 0;
};

// Of an image that was looked at whole, by the hf decode.
std::shared_ptr<const SoftResult> soft_result_of_whole(Encoded encoded);
// Of windows, by the paper decode.
std::shared_ptr<const SoftResult> soft_result_of_windows(Encoded encoded, WindowPlan plan, const PaperDecode& decode);

}  // namespace groupvit::detail
