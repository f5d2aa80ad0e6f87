// Scores, groups and abstaining through the C interface, on an engine of arithmetic.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "c_api.hpp"
#include "small_bundle.hpp"

namespace groupvit::detail {
namespace {

constexpr std::int64_t kHeight = 37, kWide = 90;
constexpr float kPoison = -7.0f;

class Soft : public ::testing::TestWithParam<groupvit_decode> {
 protected:
  explicit Soft(const std::function<void(std::string&)>& change = {})
      : bundle_(change), image_(some_image(kHeight, kWide)) {
    segmenter_.session = std::make_unique<Session>(bundle_.root(), SessionOptions{}, arithmetic_engines());
  }
  ~Soft() override {
    for (groupvit_result* result : results_) groupvit_result_free(result);
    for (groupvit_vocabulary* words : vocabularies_) groupvit_vocabulary_free(words);
  }

  groupvit_vocabulary* words(std::vector<const char*> names) {
    vocabularies_.push_back(nullptr);
    EXPECT_EQ(groupvit_vocabulary_encode(&segmenter_, names.data(), names.size(), nullptr, 0, &vocabularies_.back()),
              GROUPVIT_OK);
    return vocabularies_.back();
  }

  groupvit_status segment(const groupvit_vocabulary* vocabulary, const groupvit_vocabulary* negatives, double threshold,
                          double background = -1) {
    const groupvit_image image = {image_.values.data(), kWide, kHeight, 0, GROUPVIT_RGB};
    groupvit_options options = groupvit_default_options();
    options.decode = GetParam();
    options.background_threshold = background;
    groupvit_result* result = nullptr;
    const groupvit_status status =
        groupvit_segment_abstaining(&segmenter_, &image, vocabulary, negatives, threshold, &options, &result);
    if (result != nullptr) results_.push_back(result);
    return status;
  }

  groupvit_result* result(const groupvit_vocabulary* vocabulary, const groupvit_vocabulary* negatives = nullptr,
                          double threshold = -1, double background = -1) {
    EXPECT_EQ(segment(vocabulary, negatives, threshold, background), GROUPVIT_OK) << groupvit_last_error();
    return results_.back();
  }

  static std::vector<float> planes(groupvit_result* result) {
    std::vector<float> found(groupvit_result_score_count(result) * kHeight * kWide, kPoison);
    EXPECT_EQ(groupvit_result_scores(result, 0, groupvit_result_score_count(result), 0, kHeight, found.data(), 0, 0),
              GROUPVIT_OK);
    return found;
  }

  SmallBundle bundle_;
  RgbImage image_;
  groupvit_segmenter segmenter_;
  std::vector<groupvit_vocabulary*> vocabularies_;
  std::vector<groupvit_result*> results_;
};

TEST_P(Soft, TheLargestScoreIsTheLabel) {
  const groupvit_vocabulary *const own = words({"cat", "dog", "sky", "sea"}), *const others = words({"a cat", "photo"});
  std::vector<float> confidence(kHeight * kWide, kPoison);
  ASSERT_EQ(groupvit_result_confidence(result(own, others), 0, kHeight, confidence.data(), 0), GROUPVIT_OK);
  const auto [low, high] = std::minmax_element(confidence.begin(), confidence.end());
  const float threshold = (*low + *high) / 2;
  groupvit_result* const found = result(own, others, threshold);
  ASSERT_EQ(groupvit_result_unlabeled(found), 4);
  ASSERT_EQ(groupvit_result_name_count(found), 5u);
  EXPECT_STREQ(groupvit_result_name(found, 4), "unlabeled");
  ASSERT_EQ(groupvit_result_score_count(found), 6u);
  EXPECT_STREQ(groupvit_result_score_name(found, 5), "photo");
  EXPECT_EQ(groupvit_result_score_name(found, 6), nullptr);
  const std::vector<float> scores = planes(found);
  std::set<int> seen;
  for (std::size_t pixel = 0; pixel < confidence.size(); ++pixel) {
    std::size_t best = 0;
    float sum = 0;
    for (std::size_t k = 0; k < 6; ++k) {
      const float score = scores[k * confidence.size() + pixel];
      EXPECT_TRUE(score >= 0 && score <= 1);
      sum += score;
      if (score > scores[best * confidence.size() + pixel]) best = k;
    }
    const float largest = scores[best * confidence.size() + pixel];
    EXPECT_EQ(confidence[pixel], largest);
    if (GetParam() == GROUPVIT_DECODE_HF) {
      EXPECT_NEAR(sum, 1, 1e-5);
    }
    const int label = best >= 4 || largest < threshold ? 4 : static_cast<int>(best);
    EXPECT_EQ(groupvit_result_labels(found)[pixel], label);
    seen.insert(label);
  }
  EXPECT_GT(seen.size(), 1u);
}

TEST_P(Soft, WithoutThresholdAndNegativesNothingChanges) {
  const groupvit_vocabulary* const own = words({"cat", "dog", "sky", "sea"});
  groupvit_result* const found = result(own);
  EXPECT_EQ(groupvit_result_unlabeled(found), -1);
  EXPECT_EQ(groupvit_result_name_count(found), 4u);
  groupvit_result* const zero = result(own, nullptr, 0);
  EXPECT_EQ(groupvit_result_unlabeled(zero), 4);
  EXPECT_TRUE(std::equal(groupvit_result_labels(found), groupvit_result_labels(found) + kHeight * kWide,
                         groupvit_result_labels(zero)));
}

TEST_P(Soft, OneWordAloneCompetesWithTheEmptyPrompt) {
  groupvit_result* const found = result(words({"dog"}), nullptr, 0.0);
  ASSERT_EQ(groupvit_result_score_count(found), 2u);
  EXPECT_STREQ(groupvit_result_score_name(found, 1), "");
  EXPECT_EQ(groupvit_result_unlabeled(found), 1);
  groupvit_result* const plain = result(words({"dog"}));
  EXPECT_EQ(groupvit_result_score_count(plain), 1u);
  EXPECT_EQ(groupvit_result_unlabeled(plain), -1);
}

TEST_P(Soft, RowsAndPlanesAreWrittenWhereTheyBelongAndNowhereElse) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}));
  const std::vector<float> whole = planes(found);
  // Two planes, three rows, rows and planes with gaps.
  constexpr std::int64_t kRow = kWide + 5, kPlane = 4 * kRow;
  std::vector<float> part(2 * kPlane, kPoison);
  ASSERT_EQ(groupvit_result_scores(found, 1, 2, 30, 3, part.data(), 4 * kRow, 4 * kPlane), GROUPVIT_OK);
  for (std::int64_t i = 0; i < 2 * kPlane; ++i) {
    const std::int64_t plane = i / kPlane, row = i % kPlane / kRow, x = i % kRow;
    const bool inside = row < 3 && x < kWide;
    const float expected =
        inside ? whole[static_cast<std::size_t>(((plane + 1) * kHeight + 30 + row) * kWide + x)] : kPoison;
    EXPECT_EQ(part[static_cast<std::size_t>(i)], expected);
  }
}

TEST_P(Soft, WhatCannotBeIsRefusedAndNothingWritten) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}));
  constexpr std::size_t kMany = std::numeric_limits<std::size_t>::max();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  float out[4 * kWide];
  std::fill(std::begin(out), std::end(out), kPoison);
  struct Call {
    std::size_t first, count;
    std::int64_t first_row, rows, stride, plane_stride;
  };
  for (const Call& call : std::vector<Call>{{0, 0, 0, 1, 0, 0},
                                            {0, 5, 0, 1, 0, 0},
                                            {4, 1, 0, 1, 0, 0},
                                            {1, kMany, 0, 1, 0, 0},
                                            {kMany, 1, 0, 1, 0, 0},
                                            {0, 1, -1, 1, 0, 0},
                                            {0, 1, 0, 0, 0, 0},
                                            {0, 1, 0, -1, 0, 0},
                                            {0, 1, kHeight, 1, 0, 0},
                                            {0, 1, 1, kHeight, 0, 0},
                                            {0, 1, kMost, kMost, 0, 0},
                                            {0, 1, 0, 1, 4 * kWide - 4, 0},
                                            {0, 1, 0, 1, 4 * kWide + 2, 0},
                                            {0, 1, 0, 1, -4 * kWide, 0},
                                            {0, 1, 0, 2, kMost / 4 * 4, 0},
                                            {0, 2, 0, 1, 0, 4 * kWide - 4},
                                            {0, 2, 0, 1, 0, 4 * kWide + 1},
                                            {0, 2, 0, 1, 0, kMost / 4 * 4}}) {
    EXPECT_EQ(groupvit_result_scores(found, call.first, call.count, call.first_row, call.rows, out, call.stride,
                                     call.plane_stride),
              GROUPVIT_ERROR_USAGE)
        << groupvit_last_error();
  }
  EXPECT_EQ(groupvit_result_scores(found, 0, 1, 0, 1, nullptr, 0, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_coarse_scores(found, 0, 1, groupvit_result_coarse_height(found), 1, out, 0, 0),
            GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_confidence(found, kHeight, 1, out, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_confidence(found, 0, 1, out, 3), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_logits(found, 4, out, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_group_scores(found, groupvit_result_group_count(found), out), GROUPVIT_ERROR_USAGE);
  const std::uint16_t* groups = nullptr;
  for (const std::int32_t stage : {-1, 3}) {
    EXPECT_EQ(groupvit_result_groups_of_stage(found, stage, &groups), GROUPVIT_ERROR_USAGE);
  }
  EXPECT_EQ(groups, nullptr);
  EXPECT_TRUE(std::all_of(std::begin(out), std::end(out), [](float value) { return value == kPoison; }));
}

TEST_P(Soft, ThresholdsAndNamesThatCannotBeAreRefused) {
  const groupvit_vocabulary* const own = words({"cat", "dog"});
  for (const double threshold : {std::nan(""), 1.01, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(segment(own, nullptr, threshold), GROUPVIT_ERROR_USAGE);
  }
  EXPECT_EQ(segment(own, words({"sky", "DOG"}), -1), GROUPVIT_ERROR_LABEL);
  EXPECT_NE(std::string(groupvit_last_error()).find("both a label and a negative"), std::string::npos);
}

TEST_P(Soft, GroupsOfBothStages) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}));
  const std::uint16_t *last = nullptr, *same = nullptr, *second = nullptr, *first = nullptr;
  ASSERT_EQ(groupvit_result_groups(found, &last), GROUPVIT_OK);
  ASSERT_EQ(groupvit_result_groups_of_stage(found, 0, &same), GROUPVIT_OK);
  ASSERT_EQ(groupvit_result_groups_of_stage(found, 2, &second), GROUPVIT_OK);
  ASSERT_EQ(groupvit_result_groups_of_stage(found, 1, &first), GROUPVIT_OK);
  EXPECT_EQ(last, same);
  EXPECT_TRUE(std::equal(last, last + kHeight * kWide, second));
  const std::size_t windows = groupvit_result_group_count(found) / kGroups;
  EXPECT_LT(*std::max_element(last, last + kHeight * kWide), windows * kGroups);
  const std::uint16_t largest = *std::max_element(first, first + kHeight * kWide);
  EXPECT_LT(largest, windows * kFirstGroups);
  EXPECT_GE(largest, (windows - 1) * kFirstGroups);

  float scores[4];
  for (std::size_t group = 0; group < windows * kGroups; ++group) {
    ASSERT_EQ(groupvit_result_group_scores(found, group, scores), GROUPVIT_OK);
    EXPECT_NEAR(scores[0] + scores[1] + scores[2] + scores[3], 1, 1e-6);
  }
}

TEST_P(Soft, CoarseScoresAndLogits) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}));
  const std::int64_t width = groupvit_result_coarse_width(found), height = groupvit_result_coarse_height(found);
  std::vector<float> coarse(static_cast<std::size_t>(4 * width * height), kPoison);
  ASSERT_EQ(groupvit_result_coarse_scores(found, 0, 4, 0, height, coarse.data(), 0, 0), GROUPVIT_OK);
  EXPECT_TRUE(std::all_of(coarse.begin(), coarse.end(), [](float score) { return score >= 0 && score <= 1; }));
  std::vector<float> logits(kSide * kSide, kPoison);
  if (GetParam() == GROUPVIT_DECODE_HF) {
    EXPECT_EQ(width, kGrid);
    EXPECT_EQ(groupvit_result_logits_width(found), kSide);
    EXPECT_EQ(groupvit_result_logits_height(found), kSide);
    EXPECT_EQ(groupvit_result_logits(found, 3, logits.data(), 0), GROUPVIT_OK);
    EXPECT_EQ(std::count(logits.begin(), logits.end(), kPoison), 0);
  } else {
    EXPECT_EQ(groupvit_result_logits_width(found), 0);
    EXPECT_EQ(groupvit_result_logits(found, 3, logits.data(), 0), GROUPVIT_ERROR_USAGE);
  }
}

TEST_P(Soft, OutlivesSegmenterAndVocabulary) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}), words({"photo"}));
  const std::vector<float> before = planes(found);
  segmenter_.session.reset();
  for (groupvit_vocabulary* words : vocabularies_) groupvit_vocabulary_free(words);
  vocabularies_.clear();
  // Computed, not kept.
  found->scores.reset();
  EXPECT_EQ(planes(found), before);
  std::vector<float> scores(5);
  EXPECT_EQ(groupvit_result_group_scores(found, 0, scores.data()), GROUPVIT_OK);
}

INSTANTIATE_TEST_SUITE_P(Decodes, Soft, ::testing::Values(GROUPVIT_DECODE_HF, GROUPVIT_DECODE_PAPER));

class SoftPaper : public Soft {};

TEST_P(SoftPaper, TheBackgroundIsThePlaneZero) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}), words({"photo"}), 0.2, 0.99);
  EXPECT_STREQ(groupvit_result_name(found, 0), "background");
  EXPECT_EQ(groupvit_result_unlabeled(found), 5);
  ASSERT_EQ(groupvit_result_score_count(found), 6u);
  EXPECT_STREQ(groupvit_result_score_name(found, 0), "background");
  float scores[6];
  ASSERT_EQ(groupvit_result_group_scores(found, 0, scores), GROUPVIT_OK);
  EXPECT_EQ(scores[0], 0);
}

INSTANTIATE_TEST_SUITE_P(Decodes, SoftPaper, ::testing::Values(GROUPVIT_DECODE_PAPER));

class SoftOfOneStage : public Soft {
 protected:
  SoftOfOneStage()
      : Soft([](std::string& text) {
          const std::string output = R"({"name": "soft_map_1", "dtype": "float32", "shape": [-1, 5, 16]},)";
          text.replace(text.find(output), output.size(), "");
        }) {}
};

TEST_P(SoftOfOneStage, AnEngineWithoutSoftMapsHasItsLastGroupsOnly) {
  groupvit_result* const found = result(words({"cat", "dog", "sky", "sea"}));
  const std::uint16_t* groups = nullptr;
  EXPECT_EQ(groupvit_result_groups_of_stage(found, 2, &groups), GROUPVIT_OK);
  EXPECT_EQ(groupvit_result_groups_of_stage(found, 1, &groups), GROUPVIT_ERROR_USAGE);
  EXPECT_NE(std::string(groupvit_last_error()).find("soft_map_1"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Decodes, SoftOfOneStage, ::testing::Values(GROUPVIT_DECODE_HF, GROUPVIT_DECODE_PAPER));

}  // namespace
}  // namespace groupvit::detail
