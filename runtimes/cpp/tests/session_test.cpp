#include "session.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "c_api.hpp"
#include "refusal.hpp"
#include "small_bundle.hpp"

namespace groupvit::detail {
namespace {

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t place = text.find(from);
  ASSERT_NE(place, std::string::npos) << from;
  text.replace(place, from.size(), to);
}

const std::vector<std::string> kWords = {"cat", "dog", "sky", "sea"};

TEST(Session, CoversTheImageInBothDecodes) {
  const SmallBundle bundle;
  Session session(bundle.root(), {}, arithmetic_engines());
  const VocabularyPointer words = session.encode(kWords, std::nullopt);
  for (const std::string decode : {"hf", "paper"}) {
    const Segmentation result = session.segment(some_image(50, 71), words, {decode});
    EXPECT_EQ(result.labels.size(), 50u * 71u);
    EXPECT_EQ(result.soft->groups(0).size(), 50u * 71u);
    EXPECT_EQ(result.names, kWords);
    double sum = 0;
    for (const double score : result.scores) sum += score;
    EXPECT_NEAR(sum, 1, 1e-12);
  }
}

TEST(Session, AThresholdPutsBackgroundFirst) {
  const SmallBundle bundle;
  Session session(bundle.root(), {}, arithmetic_engines());
  const VocabularyPointer words = session.encode(kWords, std::nullopt);
  const Segmentation result = session.segment(some_image(40, 40), words, {"paper", 0.99});
  EXPECT_EQ(result.names.front(), "background");
  EXPECT_EQ(result.names.size(), kWords.size() + 1);
  EXPECT_EQ(result.scores.size(), kWords.size());
}

TEST(Session, BatchesOfWindowsChangeNothing) {
  const SmallBundle bundle;
  SessionOptions one;
  one.batch_size = 1;
  Session alone(bundle.root(), one, arithmetic_engines());
  Session together(bundle.root(), {}, arithmetic_engines());
  const VocabularyPointer words = together.encode(kWords, std::nullopt);
  const Segmentation first = alone.segment(some_image(32, 120), words, {"paper"});
  const Segmentation second = together.segment(some_image(32, 120), words, {"paper"});
  EXPECT_EQ(first.labels, second.labels);
  EXPECT_EQ(first.soft->groups(0), second.soft->groups(0));
}

TEST(Session, RefusesOutputsThatDoNotFit) {
  const SmallBundle bundle;
  const std::vector<std::pair<std::string, Spoil>> cases = {
      {"masks", [](Tensors& out) { out.erase("masks"); }},
      {"group_embeds", [](Tensors& out) { out.at("group_embeds").shape[1] = 2; }},
      {"image_embeds", [](Tensors& out) { out.at("image_embeds").shape = {1, 9}; }},
      {"masks", [](Tensors& out) { out.at("masks").values = std::vector<std::int64_t>(48); }},
      {"masks", [](Tensors& out) { out.at("masks").as<float>().pop_back(); }},
      {"masks", [](Tensors& out) { out.at("masks").as<float>()[3] = std::nanf(""); }},
      {"group_embeds",
       [](Tensors& out) { out.at("group_embeds").as<float>()[3] = std::numeric_limits<float>::infinity(); }},
      {"masks", [](Tensors& out) { out.at("masks").shape = {1, 3, 0, 4}; }},
  };
  for (const auto& [name, spoil] : cases) {
    const Spoil of_images = [spoil = spoil](Tensors& out) {
      if (out.count("text_embeds") == 0) spoil(out);
    };
    Session session(bundle.root(), {}, arithmetic_engines(of_images));
    const VocabularyPointer words = session.encode(kWords, std::nullopt);
    const std::string message =
        refusal(GROUPVIT_ERROR_ENGINE, [&] { session.segment(some_image(9, 9), words, {"hf"}); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TEST(Session, RefusesTextEmbeddingsThatDoNotFit) {
  const SmallBundle bundle;
  const Spoil narrower = [](Tensors& out) {
    out.at("text_embeds").shape.back() = 7;
    out.at("text_embeds").as<float>().resize(7 * 4);
  };
  Session session(bundle.root(), {}, arithmetic_engines(narrower));
  refusal(GROUPVIT_ERROR_ENGINE, [&] { session.encode(kWords, std::nullopt); });
}

void normalize_in_graph(std::string& text) {
  replace(text, R"({"name": "pixel_values", "dtype": "float32", "shape": [-1, 3, 32, 32]})",
          R"({"name": "pixels", "dtype": "uint8", "shape": [-1, 32, 32, 3]})");
  replace(text, R"("normalizes": null)", R"("normalizes": "paper")");
}

TEST(Session, GivesPixelsToAnEngineThatNormalizes) {
  const SmallBundle bundle(normalize_in_graph);
  Session session(bundle.root(), {}, arithmetic_engines());
  const VocabularyPointer words = session.encode(kWords, std::nullopt);
  // Both decodes of this bundle normalize alike.
  for (const std::string decode : {"hf", "paper"}) {
    EXPECT_EQ(session.segment(some_image(32, 32), words, {decode}).labels.size(), 32u * 32u);
  }
}

TEST(Session, RefusesADecodeThatNormalizesOtherwise) {
  const SmallBundle bundle([](std::string& text) {
    normalize_in_graph(text);
    replace(text, "0.485", "0.5");
  });
  refusal(GROUPVIT_ERROR_USAGE, [&] { Session session(bundle.root(), {}, arithmetic_engines()); });
  SessionOptions paper;
  paper.decode = "paper";
  Session session(bundle.root(), paper, arithmetic_engines());
  const VocabularyPointer words = session.encode(kWords, std::nullopt);
  EXPECT_EQ(session.segment(some_image(32, 32), words).labels.size(), 32u * 32u);
  const std::string message =
      refusal(GROUPVIT_ERROR_USAGE, [&] { session.segment(some_image(32, 32), words, {"hf"}); });
  EXPECT_NE(message.find("normalizes images by itself"), std::string::npos) << message;
}

void decode_in_graph(std::string& text) {
  replace(text, R"("inputs": [{"name": "pixel_values")",
          R"("inputs": [{"name": "text_embeds", "dtype": "float32", "shape": [-1, 8]},
                        {"name": "size", "dtype": "int64", "shape": [2]}, {"name": "pixel_values")");
  replace(
      text, R"("outputs": [{"name": "image_embeds")",
      R"("outputs": [{"name": "labels", "dtype": "int32", "shape": [-1, -1, -1]}, {"name": "image_embeds")");
}

TEST(Session, TakesLabelsFromAnEngineThatDecodes) {
  const SmallBundle bundle(decode_in_graph);
  Session session(bundle.root(), {}, arithmetic_engines());
  const VocabularyPointer words = session.encode(kWords, std::nullopt);
  const Segmentation result = session.segment(some_image(5, 7), words);
  ASSERT_EQ(result.labels.size(), 35u);
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(result.labels[i], i % 4);
  EXPECT_EQ(result.soft->groups(0).size(), 35u);
  EXPECT_FALSE(std::isnan(result.scores.front()));
  EXPECT_EQ(session.segment(some_image(5, 7), words, {"paper"}).labels.size(), 35u);
  // What is compared with a threshold is computed here, and so are the labels.
  const SmallBundle other;
  Session plain(other.root(), {}, arithmetic_engines());
  const SegmentOptions abstaining{"hf", std::nullopt, 0.2, nullptr};
  EXPECT_EQ(session.segment(some_image(5, 7), words, abstaining).labels,
            plain.segment(some_image(5, 7), words, abstaining).labels);
}

TEST(Session, RefusesLabelsThatAreNone) {
  const SmallBundle bundle(decode_in_graph);
  const Spoil beyond = [](Tensors& out) {
    if (out.count("labels") != 0) out.at("labels").as<std::int32_t>()[2] = 4;
  };
  Session session(bundle.root(), {}, arithmetic_engines(beyond));
  const VocabularyPointer words = session.encode(kWords, std::nullopt);
  refusal(GROUPVIT_ERROR_ENGINE, [&] { session.segment(some_image(5, 7), words); });
}

TEST(Session, RefusesInputsThatContradictTheRecord) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"pixel_values", "sound"},
           {"pixel_values", "pixels"},
           {R"("normalizes": null)", R"("normalizes": "hf")"},
           {R"("inputs": [{"name": "pixel_values")",
            R"("inputs": [{"name": "size", "dtype": "int64", "shape": [2]}, {"name": "pixel_values")"}}) {
    const SmallBundle bundle([&from = from, &to = to](std::string& text) { replace(text, from, to); });
    refusal(GROUPVIT_ERROR_BUNDLE, [&] { Session session(bundle.root(), {}, arithmetic_engines()); });
  }
}

TEST(Session, AVocabularyOfAnotherModelIsRefused) {
  const SmallBundle bundle;
  Session session(bundle.root(), {}, arithmetic_engines());
  const VocabularyPointer own = session.encode(kWords, std::nullopt);
  Vocabulary words = *own;
  words.fingerprint = "another";
  Vocabulary narrow = *own;
  narrow.width = 4;
  for (const Vocabulary& wrong : {words, narrow}) {
    const auto pointer = std::make_shared<const Vocabulary>(wrong);
    refusal(GROUPVIT_ERROR_LABEL, [&] { session.segment(some_image(5, 7), pointer); });
    refusal(GROUPVIT_ERROR_LABEL, [&] { session.segment(some_image(5, 7), own, {{}, {}, {}, pointer}); });
  }
}

groupvit_segmenter handle_of(const SmallBundle& bundle) {
  return {std::make_unique<Session>(bundle.root(), SessionOptions{}, arithmetic_engines()), ""};
}

TEST(CInterface, EightThreadsUseOneSegmenter) {
  const SmallBundle bundle;
  groupvit_segmenter segmenter = handle_of(bundle);
  const RgbImage rgb = some_image(40, 60);
  const groupvit_image image = {rgb.values.data(), 60, 40, 0, GROUPVIT_RGB};
  const char* const names[] = {"cat", "dog", "sea"};
  groupvit_vocabulary* shared = nullptr;
  ASSERT_EQ(groupvit_vocabulary_encode(&segmenter, names, 3, nullptr, 0, &shared), GROUPVIT_OK);
  std::vector<std::uint16_t> expected(40 * 60);
  ASSERT_EQ(groupvit_segment_into(&segmenter, &image, shared, nullptr, expected.data(), 0), GROUPVIT_OK);

  // A fresh one, so that the text side is loaded under contention.
  groupvit_segmenter fresh = handle_of(bundle);
  std::vector<std::thread> threads;
  std::vector<int> failures(8);
  for (std::size_t number = 0; number < 8; ++number) {
    threads.emplace_back([&, number] {
      for (int round = 0; round < 20; ++round) {
        groupvit_vocabulary* own = nullptr;
        groupvit_result* result = nullptr;
        groupvit_options options = groupvit_default_options();
        options.decode = round % 2 == 0 ? GROUPVIT_DECODE_HF : GROUPVIT_DECODE_PAPER;
        if (groupvit_vocabulary_encode(&fresh, names, 3, nullptr, 0, &own) != GROUPVIT_OK) ++failures[number];
        const groupvit_vocabulary* const used = round % 3 == 0 ? own : shared;
        if (groupvit_segment(&fresh, &image, used, &options, &result) != GROUPVIT_OK) ++failures[number];
        const std::uint16_t* groups = nullptr;
        if (groupvit_result_groups(result, &groups) != GROUPVIT_OK) ++failures[number];
        float scores[3 * 2 * 60];
        if (groupvit_result_scores(result, 0, 3, 38, 2, scores, 0, 0) != GROUPVIT_OK) ++failures[number];
        if (options.decode == GROUPVIT_DECODE_HF &&
            !std::equal(expected.begin(), expected.end(), groupvit_result_labels(result))) {
          ++failures[number];
        }
        // Every thread has its own message.
        const std::string wrong = "vocabulary-" + std::to_string(number);
        groupvit_vocabulary* none = nullptr;
        if (groupvit_vocabulary_open(&fresh, wrong.c_str(), &none) != GROUPVIT_ERROR_LABEL ||
            std::string(groupvit_last_error()).find(wrong) == std::string::npos) {
          ++failures[number];
        }
        groupvit_result_free(result);
        groupvit_vocabulary_free(own);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, std::vector<int>(8));
  groupvit_vocabulary_free(shared);
}

// Under AddressSanitizer, LeakSanitizer counts what is left.
TEST(CInterface, AThousandCallsLeaveNothing) {
  const SmallBundle bundle;
  groupvit_segmenter segmenter = handle_of(bundle);
  const RgbImage rgb = some_image(20, 30);
  const groupvit_image image = {rgb.values.data(), 30, 20, 0, GROUPVIT_RGB};
  const groupvit_image empty = {rgb.values.data(), 0, 20, 0, GROUPVIT_RGB};
  const char* const names[] = {"cat", "dog", "sea"};
  for (int call = 0; call < 1000; ++call) {
    groupvit_vocabulary* words = nullptr;
    groupvit_result* result = nullptr;
    ASSERT_EQ(groupvit_vocabulary_encode(&segmenter, names, 3, nullptr, 0, &words), GROUPVIT_OK);
    ASSERT_EQ(groupvit_segment(&segmenter, &image, words, nullptr, &result), GROUPVIT_OK);
    const std::uint16_t* groups = nullptr;
    ASSERT_EQ(groupvit_result_groups(result, &groups), GROUPVIT_OK);
    float confidence[30];
    ASSERT_EQ(groupvit_result_confidence(result, 19, 1, confidence, 0), GROUPVIT_OK);
    groupvit_result* none = nullptr;
    ASSERT_EQ(groupvit_segment(&segmenter, &empty, words, nullptr, &none), GROUPVIT_ERROR_IMAGE);
    ASSERT_EQ(none, nullptr);
    groupvit_result_free(result);
    groupvit_vocabulary_free(words);
  }
}

}  // namespace
}  // namespace groupvit::detail
