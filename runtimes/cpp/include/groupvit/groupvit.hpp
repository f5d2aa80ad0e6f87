// groupvit.hpp: groupvit.h for C++17, header only. Handles that own what they hold and can be moved, failures as
// exceptions. Ownership and threads are as in groupvit.h.
#ifndef GROUPVIT_GROUPVIT_HPP_
#define GROUPVIT_GROUPVIT_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "groupvit/groupvit.h"

namespace groupvit {

// What a function of groupvit.h returned, and its message.
class Error : public std::runtime_error {
 public:
  Error(groupvit_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  groupvit_status status() const noexcept { return status_; }

 private:
  groupvit_status status_;
};

namespace wrapper {

inline void check(groupvit_status status) {
  if (status != GROUPVIT_OK) throw Error(status, groupvit_last_error());
}

// A function object rather than a function, so that a handle is as small as a pointer.
struct Free {
  void operator()(groupvit_segmenter* handle) const noexcept { groupvit_segmenter_free(handle); }
  void operator()(groupvit_vocabulary* handle) const noexcept { groupvit_vocabulary_free(handle); }
  void operator()(groupvit_result* handle) const noexcept { groupvit_result_free(handle); }
};

inline std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> found;
  found.reserve(texts.size());
  for (const std::string& text : texts) found.push_back(text.c_str());
  return found;
}

}  // namespace wrapper

// An image that somebody else owns; see groupvit_image.
class Image {
 public:
  Image(const std::uint8_t* pixels, std::int64_t width, std::int64_t height,
        groupvit_pixel_format format = GROUPVIT_RGB, std::int64_t stride = 0)
      : image_{pixels, width, height, stride, static_cast<std::int32_t>(format)} {}
  const groupvit_image* get() const noexcept { return &image_; }

 private:
  groupvit_image image_;
};

// See groupvit_params.
struct Params {
  std::string device;  // empty for the usual one
  int threads = 0;
  int streams = 0;
  groupvit_decode decode = GROUPVIT_DECODE_DEFAULT;
  int batch_size = 0;
  std::string digest;  // that the bundle must have; empty for any
  std::string precision;  // of the image engine; empty for the fastest that the processor computes natively
};

// Class names, encoded.
class Vocabulary {
 public:
  explicit Vocabulary(groupvit_vocabulary* handle) noexcept : handle_(handle) {}

  std::size_t size() const noexcept { return groupvit_vocabulary_count(handle_.get()); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (std::size_t index = 0; index < size(); ++index) {
      names.emplace_back(groupvit_vocabulary_name(handle_.get(), index));
    }
    return names;
  }
  const groupvit_vocabulary* get() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<groupvit_vocabulary, wrapper::Free> handle_;
};

// See groupvit_options and groupvit_segment_abstaining.
struct Options {
  groupvit_decode decode = GROUPVIT_DECODE_DEFAULT;
  std::optional<double> background_threshold;
  std::optional<double> threshold;        // of scores, below which a pixel is unlabeled; negative for none
  const Vocabulary* negatives = nullptr;  // which compete, and are unlabeled
};

// The label map of one image, and its scores and groups.
class Result {
 public:
  explicit Result(groupvit_result* handle) noexcept : handle_(handle) {}

  std::int64_t width() const noexcept { return groupvit_result_width(handle_.get()); }
  std::int64_t height() const noexcept { return groupvit_result_height(handle_.get()); }
  // uint16 [height, width], an index into names(); belongs to the result.
  const std::uint16_t* labels() const noexcept { return groupvit_result_labels(handle_.get()); }
  // uint16 [height, width], the group of every pixel; belongs to the result. `stage`: of a grouping block, from 1; 0 for
  // the last.
  const std::uint16_t* groups(std::int32_t stage = 0) {
    const std::uint16_t* groups = nullptr;
    wrapper::check(groupvit_result_groups_of_stage(handle_.get(), stage, &groups));
    return groups;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    const std::size_t count = groupvit_result_name_count(handle_.get());
    for (std::size_t index = 0; index < count; ++index) {
      names.emplace_back(groupvit_result_name(handle_.get(), index));
    }
    return names;
  }
  // Of class `index` of the vocabulary.
  double score(std::size_t index) const noexcept { return groupvit_result_score(handle_.get(), index); }
  // Label of the pixels that are none of the labels.
  std::optional<std::uint16_t> unlabeled() const noexcept {
    const std::int32_t label = groupvit_result_unlabeled(handle_.get());
    return label < 0 ? std::nullopt : std::optional<std::uint16_t>(static_cast<std::uint16_t>(label));
  }

  // Names of the score planes; groupvit.h says what scores are.
  std::vector<std::string> score_names() const {
    std::vector<std::string> names;
    const std::size_t count = groupvit_result_score_count(handle_.get());
    for (std::size_t index = 0; index < count; ++index) {
      names.emplace_back(groupvit_result_score_name(handle_.get(), index));
    }
    return names;
  }
  // All planes of `rows` rows from `first_row` on: float32 [planes, rows, width].
  std::vector<float> scores(std::int64_t first_row, std::int64_t rows) {
    const std::size_t planes = groupvit_result_score_count(handle_.get());
    // What cannot be is refused below, and no memory is taken for it.
    std::vector<float> found(planes * area(std::clamp<std::int64_t>(rows, 1, height()), width()));
    wrapper::check(groupvit_result_scores(handle_.get(), 0, planes, first_row, rows, found.data(), 0, 0));
    return found;
  }
  // The plane `index`: float32 [height, width].
  std::vector<float> heatmap(std::size_t index) {
    std::vector<float> found(area(height(), width()));
    wrapper::check(groupvit_result_scores(handle_.get(), index, 1, 0, height(), found.data(), 0, 0));
    return found;
  }
  // The largest score at every pixel: float32 [height, width].
  std::vector<float> confidence() {
    std::vector<float> found(area(height(), width()));
    wrapper::check(groupvit_result_confidence(handle_.get(), 0, height(), found.data(), 0));
    return found;
  }
  std::int64_t coarse_width() const noexcept { return groupvit_result_coarse_width(handle_.get()); }
  std::int64_t coarse_height() const noexcept { return groupvit_result_coarse_height(handle_.get()); }
  // All planes before they are brought to the image's size: float32 [planes, coarse_height, coarse_width].
  std::vector<float> coarse_scores() {
    const std::size_t planes = groupvit_result_score_count(handle_.get());
    std::vector<float> found(planes * area(coarse_height(), coarse_width()));
    wrapper::check(
        groupvit_result_coarse_scores(handle_.get(), 0, planes, 0, coarse_height(), found.data(), 0, 0));
    return found;
  }
  std::int64_t logits_width() const noexcept { return groupvit_result_logits_width(handle_.get()); }
  std::int64_t logits_height() const noexcept { return groupvit_result_logits_height(handle_.get()); }
  // Plane `index` of Hugging Face's segmentation_logits: float32 [logits_height, logits_width]; of the hf decode only.
  std::vector<float> logits(std::size_t index) {
    // The paper decode has none, which is refused below.
    std::vector<float> found(std::max<std::size_t>(area(logits_height(), logits_width()), 1));
    wrapper::check(groupvit_result_logits(handle_.get(), index, found.data(), 0));
    return found;
  }
  std::size_t group_count() const noexcept { return groupvit_result_group_count(handle_.get()); }
  // How well each of score_names() fits a group of the last stage; they sum to 1.
  std::vector<float> group_scores(std::size_t group) {
    std::vector<float> found(groupvit_result_score_count(handle_.get()));
    wrapper::check(groupvit_result_group_scores(handle_.get(), group, found.data()));
    return found;
  }

 private:
  static std::size_t area(std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  }

  std::unique_ptr<groupvit_result, wrapper::Free> handle_;
};

// A loaded bundle. May be used by many threads at once.
class Segmenter {
 public:
  explicit Segmenter(const std::string& bundle, const Params& given = {}) {
    groupvit_params params = groupvit_default_params();
    params.device = given.device.empty() ? nullptr : given.device.c_str();
    params.threads = given.threads;
    params.streams = given.streams;
    params.decode = given.decode;
    params.batch_size = given.batch_size;
    groupvit_segmenter* handle = nullptr;
    wrapper::check(groupvit_segmenter_load_precision(
        bundle.c_str(), given.digest.empty() ? nullptr : given.digest.c_str(),
        given.precision.empty() ? nullptr : given.precision.c_str(), &params, &handle));
    handle_.reset(handle);
  }

  std::string digest() const { return groupvit_segmenter_digest(handle_.get()); }
  std::string precision() const { return groupvit_segmenter_precision(handle_.get()); }
  std::string engine() const { return groupvit_segmenter_engine(handle_.get()); }
  std::string warning() const { return groupvit_segmenter_warning(handle_.get()); }

  // Cached in the bundle under `name`.
  Vocabulary open_vocabulary(const std::string& name) const {
    groupvit_vocabulary* vocabulary = nullptr;
    wrapper::check(groupvit_vocabulary_open(handle_.get(), name.c_str(), &vocabulary));
    return Vocabulary(vocabulary);
  }
  Vocabulary open_vocabulary_file(const std::string& path) const {
    groupvit_vocabulary* vocabulary = nullptr;
    wrapper::check(groupvit_vocabulary_open_file(handle_.get(), path.c_str(), &vocabulary));
    return Vocabulary(vocabulary);
  }
  // `templates` empty: the bundle's own prompts.
  Vocabulary encode(const std::vector<std::string>& names,
                    const std::vector<std::string>& templates = {}) const {
    const std::vector<const char*> labels = wrapper::pointers(names), prompts = wrapper::pointers(templates);
    groupvit_vocabulary* vocabulary = nullptr;
    wrapper::check(groupvit_vocabulary_encode(handle_.get(), labels.data(), labels.size(),
                                              prompts.empty() ? nullptr : prompts.data(), prompts.size(),
                                              &vocabulary));
    return Vocabulary(vocabulary);
  }

  Result segment(const Image& image, const Vocabulary& vocabulary, const Options& given = {}) const {
    const groupvit_options options = converted(given);
    groupvit_result* result = nullptr;
    wrapper::check(groupvit_segment_abstaining(handle_.get(), image.get(), vocabulary.get(),
                                               given.negatives ? given.negatives->get() : nullptr,
                                               given.threshold.value_or(-1), &options, &result));
    return Result(result);
  }
  // Into the caller's memory: uint16 [height, width], `stride` bytes from one row to the next (0: no gaps). Without a
  // threshold or negatives, which segment() has.
  void segment_into(const Image& image, const Vocabulary& vocabulary, std::uint16_t* labels,
                    std::int64_t stride = 0, const Options& given = {}) const {
    if (given.threshold || given.negatives != nullptr) {
      throw Error(GROUPVIT_ERROR_USAGE, "segment_into has no threshold and no negatives\n  fix: segment(), and copy labels()");
    }
    const groupvit_options options = converted(given);
    wrapper::check(
        groupvit_segment_into(handle_.get(), image.get(), vocabulary.get(), &options, labels, stride));
  }

 private:
  static groupvit_options converted(const Options& given) noexcept {
    groupvit_options options = groupvit_default_options();
    options.decode = given.decode;
    if (given.background_threshold) options.background_threshold = *given.background_threshold;
    return options;
  }

  std::unique_ptr<groupvit_segmenter, wrapper::Free> handle_;
};

}  // namespace groupvit

#endif  // GROUPVIT_GROUPVIT_HPP_
