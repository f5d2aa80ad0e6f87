#include <gtest/gtest.h>

#include <algorithm>

#include "engines/engine.hpp"

namespace groupvit::detail {
namespace {

TEST(EngineTable, NamesEveryTargetOnce) {
  auto names = built_engines();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace groupvit::detail
