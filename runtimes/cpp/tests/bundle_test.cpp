// A bundle whose place another takes while it is loaded.
#include "bundle.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "error.hpp"

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

TEST(LoadFromBundle, IsTriedAgainWhereTheManifestIsAnother) {
  const fs::path folder = fs::path(testing::TempDir()) / "groupvit-replaced";
  fs::create_directories(folder);
  const auto write = [&](int number) { std::ofstream(folder / "manifest.json") << number; };
  const Error damaged(GROUPVIT_ERROR_BUNDLE, "a file of the bundle was changed", "", "", "");
  write(0);
  int calls = 0;
  load_from_bundle(folder, [&] {
    write(++calls);
    if (calls < 4) throw damaged;
    write(calls - 1);
  });
  EXPECT_EQ(calls, 4);
  // What stays as it is is damaged, and so is what changes for ever.
  calls = 0;
  EXPECT_THROW(load_from_bundle(folder, [&] { ++calls; throw damaged; }), Error);
  EXPECT_EQ(calls, 1);
  EXPECT_THROW(load_from_bundle(folder, [&] { write(++calls); throw damaged; }), Error);
  EXPECT_EQ(calls, 11);
  // Other errors have nothing to do with it.
  EXPECT_THROW(load_from_bundle(folder, [&] { write(++calls); throw Error(GROUPVIT_ERROR_ENGINE, "no", "", "", ""); }),
               Error);
  EXPECT_EQ(calls, 12);
}

}  // namespace
}  // namespace groupvit::detail
