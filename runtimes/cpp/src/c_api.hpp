// What the opaque handles of groupvit.h are.
#pragma once

#include <memory>
#include <string>

#include "groupvit/groupvit.h"
#include "session.hpp"

struct groupvit_segmenter {
  std::unique_ptr<groupvit::detail::Session> session;
  std::string warning;
};

struct groupvit_vocabulary {
  groupvit::detail::Vocabulary vocabulary;
};

struct groupvit_result {
  groupvit::detail::Segmentation segmentation;
  groupvit::detail::LabelMap groups;  // empty until they are asked for
};
