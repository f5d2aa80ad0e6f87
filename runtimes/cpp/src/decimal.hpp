// Numbers as text, the same in every locale: a program that embeds the library may have set any.
#pragma once

#include <optional>
#include <string>

namespace groupvit::detail {

// Decimal digits with a point, as JSON writes numbers; none where it lies beyond float64. What is smaller than
// float64 can hold is the nearest that it can.
std::optional<double> parse_decimal(const std::string& text);

// Of at most so many significant digits: as "%.{digits}g" prints it with a point.
std::string decimal_text(double value, int digits = 6);

}  // namespace groupvit::detail
