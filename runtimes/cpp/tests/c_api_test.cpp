#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "error.hpp"
#include "groupvit/groupvit.hpp"
#include "image_view.hpp"

namespace groupvit::detail {
namespace {

TEST(CInterface, TakesNullWithoutFallingOver) {
  groupvit_segmenter* segmenter = nullptr;
  groupvit_vocabulary* vocabulary = nullptr;
  groupvit_result* result = nullptr;
  groupvit_segmenter_free(nullptr);
  groupvit_vocabulary_free(nullptr);
  groupvit_result_free(nullptr);
  EXPECT_EQ(groupvit_segmenter_load(nullptr, nullptr, &segmenter), GROUPVIT_ERROR_USAGE);
  EXPECT_NE(std::string(groupvit_last_error()).find("bundle is NULL"), std::string::npos);
  EXPECT_EQ(groupvit_segmenter_load("x", nullptr, nullptr), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_vocabulary_open(nullptr, "x", &vocabulary), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_vocabulary_open_file(nullptr, "x", &vocabulary), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_vocabulary_encode(nullptr, nullptr, 0, nullptr, 0, &vocabulary), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_segment(nullptr, nullptr, nullptr, nullptr, &result), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_segment_into(nullptr, nullptr, nullptr, nullptr, nullptr, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_segment_abstaining(nullptr, nullptr, nullptr, nullptr, 0, nullptr, &result), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_groups(nullptr, nullptr), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_groups_of_stage(nullptr, 1, nullptr), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_scores(nullptr, 0, 1, 0, 1, nullptr, 0, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_confidence(nullptr, 0, 1, nullptr, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_coarse_scores(nullptr, 0, 1, 0, 1, nullptr, 0, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_logits(nullptr, 0, nullptr, 0), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_group_scores(nullptr, 0, nullptr), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(groupvit_result_unlabeled(nullptr), -1);
  EXPECT_EQ(groupvit_result_score_count(nullptr), 0u);
  EXPECT_EQ(groupvit_result_score_name(nullptr, 0), nullptr);
  EXPECT_EQ(groupvit_result_coarse_width(nullptr), 0);
  EXPECT_EQ(groupvit_result_coarse_height(nullptr), 0);
  EXPECT_EQ(groupvit_result_logits_width(nullptr), 0);
  EXPECT_EQ(groupvit_result_logits_height(nullptr), 0);
  EXPECT_EQ(groupvit_result_group_count(nullptr), 0u);
  EXPECT_STREQ(groupvit_segmenter_engine(nullptr), "");
  EXPECT_STREQ(groupvit_segmenter_warning(nullptr), "");
  EXPECT_EQ(groupvit_vocabulary_count(nullptr), 0u);
  EXPECT_EQ(groupvit_vocabulary_name(nullptr, 0), nullptr);
  EXPECT_EQ(groupvit_result_width(nullptr), 0);
  EXPECT_EQ(groupvit_result_height(nullptr), 0);
  EXPECT_EQ(groupvit_result_labels(nullptr), nullptr);
  EXPECT_EQ(groupvit_result_name_count(nullptr), 0u);
  EXPECT_EQ(groupvit_result_name(nullptr, 0), nullptr);
  EXPECT_TRUE(std::isnan(groupvit_result_score(nullptr, 0)));
  EXPECT_EQ(segmenter, nullptr);
  EXPECT_EQ(vocabulary, nullptr);
  EXPECT_EQ(result, nullptr);
}

TEST(CInterface, RefusesParametersOfAnotherVersion) {
  groupvit_params params{};
  groupvit_segmenter* segmenter = nullptr;
  EXPECT_EQ(groupvit_segmenter_load("x", &params, &segmenter), GROUPVIT_ERROR_USAGE);
  EXPECT_NE(std::string(groupvit_last_error()).find("groupvit_default_params"), std::string::npos);
  params = groupvit_default_params();
  params.decode = 7;
  EXPECT_EQ(groupvit_segmenter_load("x", &params, &segmenter), GROUPVIT_ERROR_USAGE);
}

TEST(CInterface, NamesEveryStatus) {
  for (int status = GROUPVIT_OK; status <= GROUPVIT_ERROR_INTERNAL; ++status) {
    EXPECT_EQ(std::string(groupvit_status_name(status)).find("GROUPVIT_"), 0u);
  }
  EXPECT_STREQ(groupvit_status_name(99), "unknown");
  EXPECT_EQ(groupvit_abi_version(), GROUPVIT_ABI_VERSION);
}

TEST(CppWrapper, ThrowsWhatTheStatusSays) {
  try {
    const groupvit::Segmenter segmenter("there is no such folder");
    FAIL();
  } catch (const groupvit::Error& error) {
    EXPECT_EQ(error.status(), GROUPVIT_ERROR_BUNDLE);
    EXPECT_NE(std::string(error.what()).find("no manifest.json"), std::string::npos);
  }
  static_assert(!std::is_copy_constructible_v<groupvit::Segmenter>);
  static_assert(std::is_nothrow_move_constructible_v<groupvit::Segmenter>);
  static_assert(!std::is_copy_constructible_v<groupvit::Result>);
  static_assert(sizeof(groupvit::Vocabulary) == sizeof(void*));
}

groupvit_status refused(const groupvit_image& image) {
  try {
    read_image(image);
  } catch (const Error& error) {
    return error.status();
  }
  return GROUPVIT_OK;
}

TEST(Images, ThatCannotBeAreRefusedBeforeTheyAreRead) {
  const std::uint8_t pixels[12] = {};
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(refused({pixels, 2, 2, 0, GROUPVIT_RGB}), GROUPVIT_OK);
  EXPECT_EQ(refused({pixels, 0, 2, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, 2, -1, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, kMost, 2, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, kMost, kMost, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, kMaxPixels + 1, 1, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, kMaxSide + 1, 1, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, 1, kMaxSide + 1, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, 2, 2, 5, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, 2, 2, 7, GROUPVIT_RGBA}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, 2, 2, -6, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({pixels, 2, 2, kMost, GROUPVIT_RGB}), GROUPVIT_ERROR_IMAGE);
  EXPECT_EQ(refused({nullptr, 2, 2, 0, GROUPVIT_RGB}), GROUPVIT_ERROR_USAGE);
  EXPECT_EQ(refused({pixels, 2, 2, 0, 9}), GROUPVIT_ERROR_USAGE);
}

TEST(Images, AreReadInTheirOrderAndWithoutTheirGaps) {
  const std::vector<std::uint8_t> rows = {3, 2, 1, 0, 6, 5, 4, 0, 99, 99, 9, 8, 7, 0, 12, 11, 10, 0};
  const RgbImage image = read_image({rows.data(), 2, 2, 10, GROUPVIT_BGRX});
  EXPECT_EQ(image.values, (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

TEST(Images, AreLaidOverWhite) {
  const std::vector<std::uint8_t> pixels = {10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128};
  const RgbImage rgba = read_image({pixels.data(), 3, 1, 0, GROUPVIT_RGBA});
  EXPECT_EQ(rgba.values, (std::vector<std::uint8_t>{10, 20, 30, 255, 255, 255, 127, 177, 227}));
  const RgbImage bgra = read_image({pixels.data(), 3, 1, 0, GROUPVIT_BGRA});
  EXPECT_EQ(bgra.values, (std::vector<std::uint8_t>{30, 20, 10, 255, 255, 255, 227, 177, 127}));
}

}  // namespace
}  // namespace groupvit::detail
