// The part of groupvit.h about results.
#include <algorithm>
#include <limits>
#include <string>

#include "c_api.hpp"
#include "c_api_calls.hpp"

namespace groupvit::detail {
namespace {

const LabelMap& groups_of(groupvit_result& result, std::int64_t stage) {
  const auto known = result.groups.find(stage);
  if (known != result.groups.end()) return known->second;
  return result.groups.emplace(stage, result.segmentation.soft->groups(stage)).first->second;
}

const ScoreMap& scores_of(groupvit_result& result) {
  if (result.scores == nullptr) result.scores = result.segmentation.soft->score_map();
  return *result.scores;
}

const ScoreMap& coarse_scores_of(groupvit_result& result) {
  if (result.coarse_scores == nullptr) result.coarse_scores = result.segmentation.soft->coarse_score_map();
  return *result.coarse_scores;
}

void check_range(const char* what, std::int64_t first, std::int64_t count, std::int64_t length) {
  if (first >= 0 && count >= 1 && first < length && count <= length - first) return;
  throw Error(GROUPVIT_ERROR_USAGE, std::string("there are no such ") + what,
              std::to_string(count) + " from " + std::to_string(first) + " on",
              "1 or more of 0 to " + std::to_string(length - 1));
}

// In floats.
std::int64_t float_stride(const char* what, std::int64_t stride, std::int64_t row, std::int64_t rows) {
  constexpr std::int64_t kFloat = sizeof(float);
  const std::int64_t bytes = checked_stride(what, stride, row * kFloat, rows);
  if (bytes % kFloat != 0) {
    throw Error(GROUPVIT_ERROR_USAGE, std::string("the rows of ") + what + " cannot lie so",
                "a stride of " + std::to_string(stride) + " bytes", "a multiple of " + std::to_string(kFloat));
  }
  return bytes / kFloat;
}

void copy_scores(const ScoreMap& map, std::size_t first, std::size_t count, std::int64_t first_row, std::int64_t rows,
                 float* scores, std::int64_t stride, std::int64_t plane_stride) {
  const auto planes = static_cast<std::int64_t>(map.planes());
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  check_range("planes", static_cast<std::int64_t>(std::min(first, kMost)),
              static_cast<std::int64_t>(std::min(count, kMost)), planes);
  check_range("rows", first_row, rows, map.size().height);
  const std::int64_t row = float_stride("the scores", stride, map.size().width, rows);
  const std::int64_t plane = float_stride("the planes of scores", plane_stride, rows * row, static_cast<std::int64_t>(count));
  map.scores({first, count, first_row, rows, scores, row, plane});
}

}  // namespace
}  // namespace groupvit::detail

using namespace groupvit::detail;

extern "C" {

void groupvit_result_free(groupvit_result* result) { delete result; }

int64_t groupvit_result_width(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.size.width;
}

int64_t groupvit_result_height(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.size.height;
}

const uint16_t* groupvit_result_labels(const groupvit_result* result) {
  return result == nullptr ? nullptr : result->segmentation.labels.data();
}

groupvit_status groupvit_result_groups(groupvit_result* result, const uint16_t** groups) {
  return guarded([&] {
    require(result, "result");
    require(groups, "groups");
    *groups = groups_of(*result, 0).data();
  });
}

groupvit_status groupvit_result_groups_of_stage(groupvit_result* result, int32_t stage, const uint16_t** groups) {
  return guarded([&] {
    require(result, "result");
    require(groups, "groups");
    *groups = groups_of(*result, stage).data();
  });
}

size_t groupvit_result_name_count(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.names.size();
}

const char* groupvit_result_name(const groupvit_result* result, size_t index) {
  if (index >= groupvit_result_name_count(result)) return nullptr;
  return result->segmentation.names[index].c_str();
}

double groupvit_result_score(const groupvit_result* result, size_t index) {
  if (result == nullptr || index >= result->segmentation.scores.size()) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return result->segmentation.scores[index];
}

int32_t groupvit_result_unlabeled(const groupvit_result* result) {
  return result == nullptr || !result->segmentation.unlabeled ? -1 : *result->segmentation.unlabeled;
}

size_t groupvit_result_score_count(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.score_names.size();
}

const char* groupvit_result_score_name(const groupvit_result* result, size_t index) {
  if (index >= groupvit_result_score_count(result)) return nullptr;
  return result->segmentation.score_names[index].c_str();
}

groupvit_status groupvit_result_scores(groupvit_result* result, size_t first, size_t count, int64_t first_row,
                                       int64_t rows, float* scores, int64_t stride, int64_t plane_stride) {
  return guarded([&] {
    require(result, "result");
    require(scores, "scores");
    copy_scores(scores_of(*result), first, count, first_row, rows, scores, stride, plane_stride);
  });
}

groupvit_status groupvit_result_confidence(groupvit_result* result, int64_t first_row, int64_t rows,
                                           float* confidence, int64_t stride) {
  return guarded([&] {
    require(result, "result");
    require(confidence, "confidence");
    const ScoreMap& map = scores_of(*result);
    check_range("rows", first_row, rows, map.size().height);
    map.best(first_row, rows, confidence, float_stride("the confidence", stride, map.size().width, rows));
  });
}

int64_t groupvit_result_coarse_width(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.soft->coarse_size().width;
}

int64_t groupvit_result_coarse_height(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.soft->coarse_size().height;
}

groupvit_status groupvit_result_coarse_scores(groupvit_result* result, size_t first, size_t count,
                                              int64_t first_row, int64_t rows, float* scores, int64_t stride,
                                              int64_t plane_stride) {
  return guarded([&] {
    require(result, "result");
    require(scores, "scores");
    copy_scores(coarse_scores_of(*result), first, count, first_row, rows, scores, stride, plane_stride);
  });
}

int64_t groupvit_result_logits_width(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.soft->logits_size().width;
}

int64_t groupvit_result_logits_height(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.soft->logits_size().height;
}

groupvit_status groupvit_result_logits(groupvit_result* result, size_t index, float* logits, int64_t stride) {
  return guarded([&] {
    require(result, "result");
    require(logits, "logits");
    const SoftResult& soft = *result->segmentation.soft;
    const std::size_t count = result->segmentation.score_names.size();
    check_range("planes", static_cast<std::int64_t>(std::min(index, count)), 1, static_cast<std::int64_t>(count));
    const std::vector<float> plane = soft.logits(index);
    const Size size = soft.logits_size();
    const std::int64_t row = float_stride("the logits", stride, size.width, size.height);
    for (std::int64_t y = 0; y < size.height; ++y) std::copy_n(plane.data() + y * size.width, size.width, logits + y * row);
  });
}

size_t groupvit_result_group_count(const groupvit_result* result) {
  return result == nullptr ? 0 : result->segmentation.soft->group_count();
}

groupvit_status groupvit_result_group_scores(groupvit_result* result, size_t group, float* scores) {
  return guarded([&] {
    require(result, "result");
    require(scores, "scores");
    const std::size_t groups = result->segmentation.soft->group_count();
    check_range("groups", static_cast<std::int64_t>(std::min(group, groups)), 1, static_cast<std::int64_t>(groups));
    if (result->group_scores.empty()) result->group_scores = result->segmentation.soft->group_scores();
    const std::size_t words = result->group_scores.size() / groups;
    const std::size_t background = result->segmentation.score_names.size() - words;
    std::fill_n(scores, background, 0.0f);
    std::copy_n(result->group_scores.data() + group * words, words, scores + background);
  });
}

}  // extern "C"
