#include "bounds.hpp"

#include <algorithm>
#include <string_view>

#include "decimal.hpp"
#include "error.hpp"

namespace groupvit::detail::record {
namespace {

[[noreturn]] void out_of_bounds(const std::string& where, const std::string& got, const std::string& expected) {
  throw Error(GROUPVIT_ERROR_BUNDLE, where + " is out of bounds", got, expected,
              "do not use this bundle; or export it again with this version of the toolkit");
}

std::string quoted(const std::string& text) { return "'" + text.substr(0, 80) + "'"; }

bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Text between places; a closing brace is written twice.
bool is_literal(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' || (text[i] == '}' && (++i == text.size() || text[i] != '}'))) return false;
  }
  return true;
}

bool is_template(std::string_view text) {
  const std::size_t place = text.find("{}");
  return place != std::string_view::npos && is_literal(text.substr(0, place)) && is_literal(text.substr(place + 2));
}

}  // namespace

Bounds range(double low, double high) {
  Bounds bounds;
  bounds.low = low;
  bounds.high = high;
  return bounds;
}

Bounds text(std::size_t longest, Form form) {
  Bounds bounds;
  bounds.longest = longest;
  bounds.form = form;
  return bounds;
}

Bounds list(std::size_t longest, const Bounds& items, std::size_t shortest) {
  Bounds bounds;
  bounds.shortest = shortest;
  bounds.longest = longest;
  bounds.items = std::make_shared<const Bounds>(items);
  return bounds;
}

Bounds sha256() { return text(64, Form::kSha256); }
Bounds word() { return text(128); }
Bounds line() { return text(1024); }
Bounds side() { return range(1, 4096); }

void check_bounds(const Bounds& bounds, double value, const std::string& where) {
  if (value >= bounds.low && value <= bounds.high) return;
  out_of_bounds(where, decimal_text(value), decimal_text(bounds.low, 15) + " to " + decimal_text(bounds.high, 15));
}

void check_bounds(const Bounds& bounds, std::int64_t value, const std::string& where) {
  // The bounds are integers that float64 has, so rounding leaves what is beyond them there.
  check_bounds(bounds, static_cast<double>(value), where);
}

void check_bounds(const Bounds& bounds, const std::string& value, const std::string& where) {
  // Characters rather than bytes: what is no first byte of one does not count.
  const auto length = std::count_if(value.begin(), value.end(), [](char c) { return (c & 0xc0) != 0x80; });
  check_length(bounds, static_cast<std::size_t>(length), where);
  if (bounds.form == Form::kSha256 &&
      (value.size() != 64 || !std::all_of(value.begin(), value.end(), is_hexadecimal))) {
    out_of_bounds(where, quoted(value), "64 hexadecimal digits");
  }
  if (bounds.form == Form::kTemplate && !is_template(value)) {
    out_of_bounds(where, quoted(value), "a sentence with one {} (and }} for a brace)");
  }
}

void check_length(const Bounds& bounds, std::size_t length, const std::string& where) {
  if (length >= bounds.shortest && length <= bounds.longest) return;
  out_of_bounds(where, "a length of " + std::to_string(length),
                std::to_string(bounds.shortest) + " to " + std::to_string(bounds.longest));
}

}  // namespace groupvit::detail::record
