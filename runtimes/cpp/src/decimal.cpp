#include "decimal.hpp"

#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

namespace groupvit::detail {

// Streams rather than std::from_chars, which some standard libraries lack for float64.
std::optional<double> parse_decimal(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double value = 0;
  stream >> value;
  // Some fail for what is too small as well, with the nearest value.
  if (stream.fail() && !(std::abs(value) < 1)) return std::nullopt;
  return value;
}

std::string decimal_text(double value, int digits) {
  std::ostringstream stream;
  stream.imbue(std::locale::classic());
  stream.precision(digits);
  stream << value;
  return stream.str();
}

}  // namespace groupvit::detail
