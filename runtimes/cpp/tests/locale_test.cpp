// What holds in every locale. The suite is run in several: tests/groupvit_runtime_cpp/test_locales.py.
#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "ascii.hpp"
#include "decimal.hpp"
#include "json.hpp"

namespace groupvit::detail {
namespace {

TEST(Locales, AreThoseOfTheEnvironment) {
  // Read by whoever started the suite in a locale, to know that it was in force.
  std::printf("decimal point: %s\n", std::localeconv()->decimal_point);
}

TEST(Locales, DoNotChangeWhatANumberInJsonIs) {
  for (const auto& [text, value] :
       {std::pair("0.5", 0.5), std::pair("-2.5e-1", -0.25), std::pair("1E3", 1000.0), std::pair("1234567.25", 1234567.25),
        std::pair("0.00392156862745098", 0.00392156862745098), std::pair("1e-400", 0.0),
        std::pair("2.2250738585072014e-308", 2.2250738585072014e-308)}) {
    const json::Value number = json::parse(text);
    ASSERT_NE(number.get<double>(), nullptr) << text;
    EXPECT_EQ(*number.get<double>(), value) << text;
  }
  ASSERT_NE(json::parse("1234567").get<std::int64_t>(), nullptr);
  EXPECT_THROW(json::parse("92233720368547758080"), json::SyntaxError);
  EXPECT_THROW(json::parse("-92233720368547758080"), json::SyntaxError);
  EXPECT_THROW(json::parse("1.5e400"), json::SyntaxError);
  EXPECT_THROW(json::parse("0,5"), json::SyntaxError);
}

TEST(Locales, DoNotChangeHowNumbersArePrinted) {
  EXPECT_EQ(decimal_text(0.5), "0.5");
  EXPECT_EQ(decimal_text(1234567.0, 17), "1234567");
  EXPECT_EQ(decimal_text(0.485, 4), "0.485");
  EXPECT_EQ(json::parse("[0.25, 1234567, 1e300]").shown(), "[0.25, 1234567, 1.0000000000000001e+300]");
}

TEST(Locales, DoNotChangeHowNumbersAreRead) {
  EXPECT_EQ(parse_decimal("0.1"), 0.1);
  EXPECT_EQ(parse_decimal("1e-400"), 0.0);
  EXPECT_EQ(parse_decimal("1e400"), std::nullopt);
  EXPECT_EQ(parse_decimal("-1e400"), std::nullopt);
}

TEST(Locales, DoNotChangeWhatASpaceIs) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    EXPECT_EQ(is_ascii_digit(c), byte >= 48 && byte <= 57) << byte;
    EXPECT_EQ(is_ascii_space(c), byte == 32 || (byte >= 9 && byte <= 13)) << byte;
  }
}

}  // namespace
}  // namespace groupvit::detail
