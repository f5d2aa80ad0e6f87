// What the opaque handles of groupvit.h are.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "groupvit/groupvit.h"
#include "session.hpp"

struct groupvit_segmenter {
  std::unique_ptr<groupvit::detail::Session> session;
  std::string warning;
};

struct groupvit_vocabulary {
  groupvit::detail::VocabularyPointer vocabulary;
};

struct groupvit_result {
  groupvit::detail::Segmentation segmentation;
  // What was asked for once.
  std::map<std::int64_t, groupvit::detail::LabelMap> groups = {};  // by stage
  std::unique_ptr<const groupvit::detail::ScoreMap> scores = nullptr, coarse_scores = nullptr;
  std::vector<float> group_scores = {};
};
