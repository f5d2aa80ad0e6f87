// groupvit.hpp: groupvit.h for C++17, header only. Handles that own what they hold and can be moved, failures as
// exceptions. Ownership and threads are as in groupvit.h.
#ifndef GROUPVIT_GROUPVIT_HPP_
#define GROUPVIT_GROUPVIT_HPP_

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

// See groupvit_options.
struct Options {
  groupvit_decode decode = GROUPVIT_DECODE_DEFAULT;
  std::optional<double> background_threshold;
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

// The label map of one image.
class Result {
 public:
  explicit Result(groupvit_result* handle) noexcept : handle_(handle) {}

  std::int64_t width() const noexcept { return groupvit_result_width(handle_.get()); }
  std::int64_t height() const noexcept { return groupvit_result_height(handle_.get()); }
  // uint16 [height, width], an index into names(); belongs to the result.
  const std::uint16_t* labels() const noexcept { return groupvit_result_labels(handle_.get()); }
  // uint16 [height, width], the group of every pixel; belongs to the result.
  const std::uint16_t* groups() {
    const std::uint16_t* groups = nullptr;
    wrapper::check(groupvit_result_groups(handle_.get(), &groups));
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

 private:
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
    wrapper::check(groupvit_segment(handle_.get(), image.get(), vocabulary.get(), &options, &result));
    return Result(result);
  }
  // Into the caller's memory: uint16 [height, width], `stride` bytes from one row to the next (0: no gaps).
  void segment_into(const Image& image, const Vocabulary& vocabulary, std::uint16_t* labels,
                    std::int64_t stride = 0, const Options& given = {}) const {
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
