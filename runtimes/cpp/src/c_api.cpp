// groupvit.h in terms of Session. Nothing that is thrown passes this file.
#include "c_api.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "c_api_calls.hpp"
#include "error.hpp"
#include "image_view.hpp"

namespace groupvit::detail {
namespace {

struct LastError {
  std::string text;
  const char* instead = nullptr;  // where there was no memory for the text
};

LastError& last_error() {
  thread_local LastError error;
  return error;
}

void check_struct(std::size_t size, std::size_t expected, const char* name) {
  if (size == expected) return;
  throw Error(GROUPVIT_ERROR_USAGE, std::string(name) + " was not made by this version of the library",
              "size " + std::to_string(size), std::to_string(expected),
              std::string("start from ") + name + "(), and compile against the header of the library");
}

std::string decode_name(std::int32_t decode) {
  switch (decode) {
    case GROUPVIT_DECODE_DEFAULT:
      return {};
    case GROUPVIT_DECODE_HF:
      return "hf";
    case GROUPVIT_DECODE_PAPER:
      return "paper";
  }
  throw Error(GROUPVIT_ERROR_USAGE, "unknown decode", std::to_string(decode),
              "GROUPVIT_DECODE_DEFAULT, _HF or _PAPER");
}

SessionOptions session_options(const groupvit_params* given) {
  const groupvit_params params = given == nullptr ? groupvit_default_params() : *given;
  check_struct(params.size, sizeof(groupvit_params), "groupvit_default_params");
  SessionOptions options;
  if (params.device != nullptr) {
    options.engine.device = params.device;
    if (options.engine.device != "cpu" && options.engine.device != "cuda") {
      throw Error(GROUPVIT_ERROR_USAGE, "unknown device", options.engine.device, "cpu or cuda");
    }
  }
  if (params.threads < 0) {
    throw Error(GROUPVIT_ERROR_USAGE, "a number of threads must be positive", std::to_string(params.threads),
                "1 or more, or 0 for the engine's own choice");
  }
  if (params.streams < 0 && params.streams != GROUPVIT_STREAMS_FOR_THROUGHPUT) {
    throw Error(GROUPVIT_ERROR_USAGE, "a number of streams must be positive", std::to_string(params.streams),
                "1 or more, 0 for one call after the other, or GROUPVIT_STREAMS_FOR_THROUGHPUT");
  }
  options.engine.threads = params.threads;
  options.engine.throughput = params.streams == GROUPVIT_STREAMS_FOR_THROUGHPUT;
  options.engine.streams = std::max(params.streams, 0);
  options.decode = decode_name(params.decode);
  options.batch_size = params.batch_size;
  return options;
}

std::vector<std::string> strings(const char* const* texts, std::size_t count, const char* name) {
  std::vector<std::string> copies;
  if (count > 0) require(texts, name);
  for (std::size_t index = 0; index < count; ++index) {
    require(texts[index], name);
    copies.emplace_back(texts[index]);
  }
  return copies;
}

std::optional<double> share_of(const char* name, double value) {
  if (std::isnan(value)) {
    throw Error(GROUPVIT_ERROR_USAGE, std::string(name) + " is out of range", "NaN", "0 to 1, or negative for none");
  }
  return value >= 0 ? std::optional<double>(value) : std::nullopt;
}

Segmentation segmented(groupvit_segmenter* segmenter, const groupvit_image* image,
                       const groupvit_vocabulary* vocabulary, const groupvit_options* given,
                       const groupvit_vocabulary* negatives = nullptr, double threshold = -1) {
  require(segmenter, "segmenter");
  require(image, "image");
  require(vocabulary, "vocabulary");
  const groupvit_options options = given == nullptr ? groupvit_default_options() : *given;
  check_struct(options.size, sizeof(groupvit_options), "groupvit_default_options");
  SegmentOptions chosen;
  chosen.background_threshold = share_of("the background threshold", options.background_threshold);
  chosen.decode = decode_name(options.decode);
  chosen.threshold = share_of("the threshold", threshold);
  if (negatives != nullptr) chosen.negatives = negatives->vocabulary;
  return segmenter->session->segment(read_image(*image), vocabulary->vocabulary, chosen);
}

void copy_rows(const Segmentation& result, std::uint16_t* labels, std::int64_t stride) {
  const auto row = static_cast<std::size_t>(result.size.width) * sizeof(std::uint16_t);
  auto* target = reinterpret_cast<unsigned char*>(labels);
  for (std::int64_t y = 0; y < result.size.height; ++y) {
    std::memcpy(target + y * stride, result.labels.data() + y * result.size.width, row);
  }
}

void load_segmenter(const char* bundle, const SessionOptions& options, groupvit_segmenter** segmenter) {
  require(bundle, "bundle");
  require(segmenter, "segmenter");
  const std::filesystem::path path = std::filesystem::u8path(bundle);
  auto loaded = std::make_unique<groupvit_segmenter>();
  load_from_bundle(path, [&] { loaded->session = std::make_unique<Session>(path, options); });
  loaded->warning = loaded->session->warning();
  *segmenter = loaded.release();
}

std::string joined_engines() {
  std::string text;
  for (const std::string& name : built_engines()) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

groupvit_status fail(groupvit_status status, const char* message) noexcept {
  LastError& last = last_error();
  try {
    last.text = message;
    last.instead = nullptr;
  } catch (const std::bad_alloc&) {
    last.instead = "out of memory, also for the message";
  }
  return status;
}

void require(const void* pointer, const char* name) {
  if (pointer == nullptr)
    throw Error(GROUPVIT_ERROR_USAGE, "an argument is missing", std::string(name) + " is NULL");
}

std::int64_t checked_stride(const char* what, std::int64_t stride, std::int64_t row, std::int64_t rows) {
  if (stride == 0) return row;
  if (stride >= row && stride <= std::numeric_limits<std::ptrdiff_t>::max() / rows) return stride;
  throw Error(GROUPVIT_ERROR_USAGE, std::string("the rows of ") + what + " cannot lie so",
              "a stride of " + std::to_string(stride) + " bytes",
              std::to_string(row) + " bytes or more, or 0 for rows without gaps");
}

}  // namespace groupvit::detail

using namespace groupvit::detail;

extern "C" {

int32_t groupvit_abi_version(void) { return GROUPVIT_ABI_VERSION; }

const char* groupvit_version(void) { return GROUPVIT_VERSION; }

const char* groupvit_engines(void) {
  try {
    static const std::string engines = joined_engines();
    return engines.c_str();
  } catch (...) {
    return "";
  }
}

const char* groupvit_last_error(void) {
  const LastError& last = last_error();
  return last.instead != nullptr ? last.instead : last.text.c_str();
}

const char* groupvit_status_name(int32_t status) {
  switch (status) {
    case GROUPVIT_OK:
      return "GROUPVIT_OK";
    case GROUPVIT_ERROR_USAGE:
      return "GROUPVIT_ERROR_USAGE";
    case GROUPVIT_ERROR_BUNDLE:
      return "GROUPVIT_ERROR_BUNDLE";
    case GROUPVIT_ERROR_IMAGE:
      return "GROUPVIT_ERROR_IMAGE";
    case GROUPVIT_ERROR_LABEL:
      return "GROUPVIT_ERROR_LABEL";
    case GROUPVIT_ERROR_ENGINE:
      return "GROUPVIT_ERROR_ENGINE";
    case GROUPVIT_ERROR_UNSUPPORTED:
      return "GROUPVIT_ERROR_UNSUPPORTED";
    case GROUPVIT_ERROR_MEMORY:
      return "GROUPVIT_ERROR_MEMORY";
    case GROUPVIT_ERROR_INTERNAL:
      return "GROUPVIT_ERROR_INTERNAL";
  }
  return "unknown";
}

groupvit_params groupvit_default_params(void) {
  return {sizeof(groupvit_params), nullptr, 0, GROUPVIT_DECODE_DEFAULT, 0, 0};
}

groupvit_options groupvit_default_options(void) {
  return {sizeof(groupvit_options), GROUPVIT_DECODE_DEFAULT, -1.0};
}

groupvit_status groupvit_segmenter_load(const char* bundle, const groupvit_params* params,
                                        groupvit_segmenter** segmenter) {
  return guarded([&] { load_segmenter(bundle, session_options(params), segmenter); });
}

groupvit_status groupvit_segmenter_load_pinned(const char* bundle, const char* digest, const groupvit_params* params,
                                               groupvit_segmenter** segmenter) {
  return guarded([&] {
    require(digest, "digest");
    SessionOptions options = session_options(params);
    // Empty would mean any.
    options.digest = *digest == '\0' ? "none" : digest;
    load_segmenter(bundle, options, segmenter);
  });
}

groupvit_status groupvit_segmenter_load_precision(const char* bundle, const char* digest, const char* precision,
                                                  const groupvit_params* params, groupvit_segmenter** segmenter) {
  return guarded([&] {
    SessionOptions options = session_options(params);
    if (digest != nullptr) options.digest = *digest == '\0' ? "none" : digest;
    if (precision != nullptr) options.precision = *precision == '\0' ? "none" : precision;
    load_segmenter(bundle, options, segmenter);
  });
}

const char* groupvit_segmenter_precision(const groupvit_segmenter* segmenter) {
  return segmenter == nullptr ? "" : segmenter->session->image_engine().precision.c_str();
}

const char* groupvit_segmenter_digest(const groupvit_segmenter* segmenter) {
  return segmenter == nullptr ? "" : segmenter->session->manifest().digest.c_str();
}

void groupvit_segmenter_free(groupvit_segmenter* segmenter) { delete segmenter; }

const char* groupvit_segmenter_engine(const groupvit_segmenter* segmenter) {
  return segmenter == nullptr ? "" : segmenter->session->engine_description().c_str();
}

const char* groupvit_segmenter_warning(const groupvit_segmenter* segmenter) {
  return segmenter == nullptr ? "" : segmenter->warning.c_str();
}

groupvit_status groupvit_vocabulary_open(groupvit_segmenter* segmenter, const char* name,
                                         groupvit_vocabulary** vocabulary) {
  return guarded([&] {
    require(segmenter, "segmenter");
    require(name, "name");
    require(vocabulary, "vocabulary");
    *vocabulary = new groupvit_vocabulary{segmenter->session->open_vocabulary(name)};
  });
}

groupvit_status groupvit_vocabulary_open_file(groupvit_segmenter* segmenter, const char* path,
                                              groupvit_vocabulary** vocabulary) {
  return guarded([&] {
    require(segmenter, "segmenter");
    require(path, "path");
    require(vocabulary, "vocabulary");
    *vocabulary =
        new groupvit_vocabulary{segmenter->session->open_vocabulary_file(std::filesystem::u8path(path))};
  });
}

groupvit_status groupvit_vocabulary_encode(groupvit_segmenter* segmenter, const char* const* names,
                                           size_t count, const char* const* templates, size_t template_count,
                                           groupvit_vocabulary** vocabulary) {
  return guarded([&] {
    require(segmenter, "segmenter");
    require(vocabulary, "vocabulary");
    const std::vector<std::string> labels = strings(names, count, "a name");
    std::optional<std::vector<std::string>> prompts;
    if (templates != nullptr || template_count > 0)
      prompts = strings(templates, template_count, "a template");
    *vocabulary = new groupvit_vocabulary{segmenter->session->encode(labels, prompts)};
  });
}

void groupvit_vocabulary_free(groupvit_vocabulary* vocabulary) { delete vocabulary; }

size_t groupvit_vocabulary_count(const groupvit_vocabulary* vocabulary) {
  return vocabulary == nullptr ? 0 : vocabulary->vocabulary->names.size();
}

const char* groupvit_vocabulary_name(const groupvit_vocabulary* vocabulary, size_t index) {
  if (index >= groupvit_vocabulary_count(vocabulary)) return nullptr;
  return vocabulary->vocabulary->names[index].c_str();
}

groupvit_status groupvit_segment(groupvit_segmenter* segmenter, const groupvit_image* image,
                                 const groupvit_vocabulary* vocabulary, const groupvit_options* options,
                                 groupvit_result** result) {
  return guarded([&] {
    require(result, "result");
    *result = new groupvit_result{segmented(segmenter, image, vocabulary, options)};
  });
}

groupvit_status groupvit_segment_abstaining(groupvit_segmenter* segmenter, const groupvit_image* image,
                                            const groupvit_vocabulary* vocabulary,
                                            const groupvit_vocabulary* negatives, double threshold,
                                            const groupvit_options* options, groupvit_result** result) {
  return guarded([&] {
    require(result, "result");
    *result = new groupvit_result{segmented(segmenter, image, vocabulary, options, negatives, threshold)};
  });
}

groupvit_status groupvit_segment_into(groupvit_segmenter* segmenter, const groupvit_image* image,
                                      const groupvit_vocabulary* vocabulary, const groupvit_options* options,
                                      uint16_t* labels, int64_t stride) {
  return guarded([&] {
    require(image, "image");
    require(labels, "labels");
    // The image's own limits are checked with it; here nothing may overflow before that.
    if (image->width >= 1 && image->height >= 1 && image->width <= kMaxPixels / image->height) {
      const std::int64_t row = image->width * static_cast<std::int64_t>(sizeof(uint16_t));
      stride = checked_stride("the label map", stride, row, image->height);
    }
    copy_rows(segmented(segmenter, image, vocabulary, options), labels, stride);
  });
}

}  // extern "C"
