// The inner functions of images and decoding by C names, so that pytest compares them with the Python
// runtime. Every function returns a groupvit_status; groupvit_probe_error() is the message of the last
// failure.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "decode.hpp"
#include "error.hpp"
#include "exponential.hpp"
#include "paper.hpp"
#include "preprocess.hpp"
#include "resize.hpp"
#include "score_map.hpp"
#include "upsampled_argmax.hpp"
#include "window_scores.hpp"

using namespace groupvit::detail;

extern "C" {

struct ProbePreprocessing {
  std::int32_t antialias, filter, color_order;
  double mean[3], std[3], rescale;
};

struct ProbeWindow {
  std::int64_t size, stride, long_side_max;
};

// Of all windows, or of one image where `windows` is 1.
struct ProbeOutputs {
  std::int64_t windows, groups, grid_height, grid_width, width;
  const float* masks;
  const float* group_embeds;
  const float* image_embeds;
};

struct ProbeClasses {
  std::int64_t count, width;
  const float* embeddings;
};

}  // extern "C"

namespace {

thread_local std::string message;

template <typename Call>
int guarded(const Call& call) {
  try {
    call();
    return GROUPVIT_OK;
  } catch (const Error& error) {
    message = error.what();
    return error.status();
  }
}

Preprocessing spec_of(const ProbePreprocessing& from) {
  Preprocessing spec;
  spec.antialias = from.antialias != 0;
  spec.filter = static_cast<ResizeFilter>(from.filter);
  spec.color_order = static_cast<ColorOrder>(from.color_order);
  std::copy_n(from.mean, 3, spec.mean.begin());
  std::copy_n(from.std, 3, spec.std.begin());
  spec.rescale = from.rescale;
  return spec;
}

SlidingWindow window_of(const ProbeWindow& from) { return {from.size, from.stride, from.long_side_max}; }

RgbImage image_of(const std::uint8_t* rgb, Size size) {
  return {size, std::vector<std::uint8_t>(rgb, rgb + size.height * size.width * 3)};
}

std::vector<ImageOutputs> outputs_of(const ProbeOutputs& from) {
  std::vector<ImageOutputs> windows;
  for (std::int64_t i = 0; i < from.windows; ++i) {
    const std::int64_t maps = from.groups * from.grid_height * from.grid_width;
    windows.push_back({from.groups,
                       {from.grid_height, from.grid_width},
                       from.width,
                       from.masks + i * maps,
                       from.group_embeds ? from.group_embeds + i * from.groups * from.width : nullptr,
                       from.image_embeds ? from.image_embeds + i * from.width : nullptr});
  }
  return windows;
}

Classes classes_of(const ProbeClasses& from) { return {from.count, from.width, from.embeddings}; }

template <typename T>
void copy(const std::vector<T>& from, T* to) {
  std::copy(from.begin(), from.end(), to);
}

PaperDecode decode_of(const ProbeWindow& window, double threshold, std::int64_t top, double max_scale) {
  PaperDecode decode;
  decode.window = window_of(window);
  if (threshold >= 0) decode.background_threshold = threshold;
  decode.top_classes = top;
  decode.max_logit_scale = max_scale;
  return decode;
}

// All planes in `rows` rows from `first_row` on, the plane `one` alone of every row, and the largest of all planes.
struct ProbeScores {
  std::int64_t first_row, rows, one;
  float *strip, *plane, *best;
};

void fill(const ScoreMap& map, const ProbeScores& into) {
  const Size size = map.size();
  map.scores({0, map.planes(), into.first_row, into.rows, into.strip, size.width, into.rows * size.width});
  map.scores({static_cast<std::size_t>(into.one), 1, 0, size.height, into.plane, size.width, size.height * size.width});
  map.best(0, size.height, into.best, size.width);
}

}  // namespace

#define PROBE extern "C" __attribute__((visibility("default")))

PROBE const char* groupvit_probe_error() { return message.c_str(); }

PROBE int groupvit_probe_taps(std::int64_t src, std::int64_t dst, std::int32_t* low, std::int32_t* high,
                              float* t) {
  return guarded([&] {
    const LinearTaps taps = linear_taps(src, dst);
    copy(taps.low, low);
    copy(taps.high, high);
    copy(taps.t, t);
  });
}

// float32 [dst, src], zero beforehand.
PROBE int groupvit_probe_composed(std::int64_t src, std::int64_t middle, std::int64_t dst, float* matrix) {
  return guarded([&] {
    for (const ComposedRow& row : composed_rows(src, middle, dst)) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(row.count); ++i)
        matrix[row.node[i]] = row.weight[i];
      matrix += src;
    }
  });
}

PROBE int groupvit_probe_resize(const std::uint8_t* rgb, Size from, Size to, const ProbePreprocessing* spec,
                                std::uint8_t* out) {
  return guarded([&] { copy(resize_image(image_of(rgb, from), to, spec_of(*spec)).values, out); });
}

PROBE int groupvit_probe_prepare_whole(const std::uint8_t* rgb, Size from, Size to,
                                       const ProbePreprocessing* spec, float* out) {
  return guarded([&] {
    const Preprocessing preprocessing = spec_of(*spec);
    normalize(resize_image(image_of(rgb, from), to, preprocessing), 0, 0, to, preprocessing, out);
  });
}

// `boxes` int64 [capacity, 2]; `sizes`: height, width, padded height, padded width, side, number of boxes.
PROBE int groupvit_probe_plan(Size image, const ProbeWindow* window, std::int64_t* sizes,
                              std::int64_t* boxes, std::int64_t capacity) {
  return guarded([&] {
    const WindowPlan plan = plan_windows(image, window_of(*window));
    const auto count = static_cast<std::int64_t>(plan.boxes.size());
    const std::int64_t found[] = {plan.size.height,       plan.size.width, plan.padded_size.height,
                                  plan.padded_size.width, plan.side,       count};
    std::copy(std::begin(found), std::end(found), sizes);
    for (std::int64_t i = 0; i < std::min(count, capacity); ++i) {
      *boxes++ = plan.boxes[static_cast<std::size_t>(i)].top;
      *boxes++ = plan.boxes[static_cast<std::size_t>(i)].left;
    }
  });
}

PROBE int groupvit_probe_prepare_windows(const std::uint8_t* rgb, Size from, const ProbePreprocessing* spec,
                                         const ProbeWindow* window, float* out) {
  return guarded([&] {
    const Preprocessing preprocessing = spec_of(*spec);
    const WindowPlan plan = plan_windows(from, window_of(*window));
    const RgbImage image = resize_for_windows(image_of(rgb, from), preprocessing, plan);
    for (const WindowPlan::Box& box : plan.boxes) {
      normalize(image, box.top, box.left, {plan.side, plan.side}, preprocessing, out);
      out += 3 * plan.side * plan.side;
    }
  });
}

PROBE int groupvit_probe_upsampled_argmax(const float* scores, std::int64_t channels, Size grid, Size size,
                                          Size through, std::uint16_t* labels) {
  return guarded([&] { copy(upsampled_argmax(scores, channels, grid, size, through), labels); });
}

PROBE int groupvit_probe_hf_decode(const ProbeOutputs* outputs, const ProbeClasses* classes, Size pixels,
                                   Size size, std::uint16_t* labels) {
  return guarded(
      [&] { copy(hf_decode(outputs_of(*outputs)[0], classes_of(*classes), pixels, size), labels); });
}

PROBE int groupvit_probe_hf_groups(const ProbeOutputs* outputs, Size pixels, Size size,
                                   std::uint16_t* labels) {
  return guarded([&] { copy(hf_groups(outputs_of(*outputs)[0], pixels, size), labels); });
}

PROBE int groupvit_probe_paper_affinity(const ProbeOutputs* outputs, const ProbeClasses* classes,
                                        double logit_scale, std::int64_t top_classes, double max_scale,
                                        float* affinity) {
  return guarded([&] {
    const PaperDecode decode = decode_of({}, -1, top_classes, max_scale);
    copy(paper_affinity(outputs_of(*outputs)[0], classes_of(*classes), logit_scale, decode), affinity);
  });
}

// `threshold` below 0: none.
PROBE int groupvit_probe_paper_decode(Size size, const ProbeWindow* window, const ProbeOutputs* outputs,
                                      const ProbeClasses* classes, double logit_scale, double threshold,
                                      std::int64_t top_classes, double max_scale, std::uint16_t* labels,
                                      std::int32_t* background) {
  return guarded([&] {
    const PaperResult result =
        paper_decode(plan_windows(size, window_of(*window)), outputs_of(*outputs), classes_of(*classes),
                     logit_scale, decode_of(*window, threshold, top_classes, max_scale), size);
    copy(result.labels, labels);
    *background = result.background;
  });
}

PROBE int groupvit_probe_window_groups(Size size, const ProbeWindow* window, const ProbeOutputs* outputs,
                                       std::uint16_t* labels) {
  return guarded([&] {
    copy(window_groups(plan_windows(size, window_of(*window)), outputs_of(*outputs), size), labels);
  });
}

PROBE int groupvit_probe_class_scores(const ProbeOutputs* outputs, const ProbeClasses* classes,
                                      double logit_scale, double max_scale, double* scores) {
  return guarded([&] {
    copy(class_scores(outputs_of(*outputs), classes_of(*classes), logit_scale, max_scale), scores);
  });
}

// In place.
PROBE int groupvit_probe_exponential(float* values, std::int64_t count) {
  return guarded([&] { std::transform(values, values + count, values, exponential); });
}

PROBE int groupvit_probe_hf_score_map(const ProbeOutputs* outputs, const ProbeClasses* classes, double logit_scale,
                                      Size pixels, Size size, const ProbeScores* into) {
  return guarded([&] {
    fill(*hf_score_map(outputs_of(*outputs)[0], classes_of(*classes), logit_scale, pixels, size), *into);
  });
}

PROBE int groupvit_probe_paper_score_map(Size image, const ProbeWindow* window, const ProbeOutputs* outputs,
                                         const ProbeClasses* classes, double logit_scale, double threshold,
                                         std::int64_t top_classes, double max_scale, Size size,
                                         const ProbeScores* into) {
  return guarded([&] {
    const WindowPlan plan = plan_windows(image, window_of(*window));
    WindowScores found = average_windows(plan, outputs_of(*outputs), classes_of(*classes), logit_scale,
                                         decode_of(*window, threshold, top_classes, max_scale));
    fill(*paper_score_map(std::move(found), plan.size, size), *into);
  });
}

PROBE int groupvit_probe_hf_logits(const ProbeOutputs* outputs, const ProbeClasses* classes, double logit_scale,
                                   Size pixels, float* logits) {
  return guarded([&] {
    const ImageOutputs image = outputs_of(*outputs)[0];
    const std::vector<float> scores = hf_scores(image, classes_of(*classes));
    for (std::int64_t k = 0; k < classes->count; ++k, logits += pixels.height * pixels.width) {
      copy(hf_logits(scores.data() + k * image.grid.height * image.grid.width, image.grid, logit_scale, pixels), logits);
    }
  });
}

PROBE int groupvit_probe_group_scores(const ProbeOutputs* outputs, const ProbeClasses* classes, double logit_scale,
                                      double max_scale, float* scores) {
  return guarded([&] {
    copy(group_scores(outputs_of(*outputs)[0], classes_of(*classes), logit_scale, max_scale), scores);
  });
}
