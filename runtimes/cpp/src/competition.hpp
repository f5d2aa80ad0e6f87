// Which classes compete for a pixel, and which of them are reported; by the rules of groupvit_runtime.competition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vocabulary.hpp"

namespace groupvit::detail {

inline constexpr char kBackground[] = "background";
inline constexpr char kUnlabeled[] = "unlabeled";

// Labels, and after them negatives, which compete but are reported as unlabeled, as a pixel is whose best score is below
// the threshold.
class Competition {
 public:
  // `negatives` may be null; `background`: whether one that the decode makes comes before the labels. Throws
  // Error(GROUPVIT_ERROR_LABEL): a name is both label and negative, or has a meaning of its own here; too many names.
  Competition(std::shared_ptr<const Vocabulary> labels, std::shared_ptr<const Vocabulary> negatives,
              std::optional<double> threshold, bool background);

  // All that compete.
  const std::shared_ptr<const Vocabulary>& words() const { return words_; }
  std::size_t labels() const { return labels_; }
  // Whether a pixel can be unlabeled.
  bool abstains() const { return threshold_.has_value() || words_->names.size() > labels_; }
  // Of the values of a label map, and of the planes of a score map.
  std::vector<std::string> names() const;
  std::vector<std::string> score_names() const;
  // The label of a pixel that is none of the labels.
  std::optional<std::uint16_t> unlabeled() const;
  const std::optional<double>& threshold() const { return threshold_; }

 private:
  std::size_t reported() const { return labels_ + (background_ ? 1 : 0); }

  std::size_t labels_;
  std::shared_ptr<const Vocabulary> words_;
  std::optional<double> threshold_;
  bool background_;
};

}  // namespace groupvit::detail
