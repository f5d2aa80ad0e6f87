// As a host program with an interface for people: the locale of the environment, in C and in C++.
#include <gtest/gtest.h>

#include <locale>
#include <stdexcept>

int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  try {
    std::locale::global(std::locale(""));  // sets that of C as well
  } catch (const std::runtime_error&) {
    // The environment names a locale that is not installed: as in any program, it stays "C".
  }
  return RUN_ALL_TESTS();
}
