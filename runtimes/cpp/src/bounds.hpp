// What a value that is read may be at most: the same as groupvit_runtime.bounds, field by field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace groupvit::detail::record {

enum class Form { kAny, kSha256, kTemplate };

struct Bounds {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  std::size_t shortest = 0, longest = std::numeric_limits<std::size_t>::max();  // characters, items or entries
  Form form = Form::kAny;
  std::shared_ptr<const Bounds> items;  // of a list or a table
};

Bounds range(double low, double high);
Bounds text(std::size_t longest, Form form = Form::kAny);
Bounds list(std::size_t longest, const Bounds& items = {}, std::size_t shortest = 0);
Bounds sha256();
Bounds word();
Bounds line();
Bounds side();

// Throw Error(GROUPVIT_ERROR_BUNDLE) for what is out of bounds; `where` is its path.
void check_bounds(const Bounds& bounds, double value, const std::string& where);
void check_bounds(const Bounds& bounds, std::int64_t value, const std::string& where);
void check_bounds(const Bounds& bounds, const std::string& value, const std::string& where);
void check_length(const Bounds& bounds, std::size_t length, const std::string& where);

// Records and what has two values only have no bounds of their own.
template <typename T>
void check_bounds(const Bounds&, const T&, const std::string&) {}

template <typename T>
void check_bounds(const Bounds& bounds, const std::optional<T>& value, const std::string& where) {
  if (value) check_bounds(bounds, *value, where);
}

template <typename List>
void check_items(const Bounds& bounds, const List& values, const std::string& where) {
  check_length(bounds, values.size(), where);
  if (bounds.items == nullptr) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    check_bounds(*bounds.items, values[i], where + "[" + std::to_string(i) + "]");
  }
}

template <typename T>
void check_bounds(const Bounds& bounds, const std::vector<T>& values, const std::string& where) {
  check_items(bounds, values, where);
}

template <typename T, std::size_t size>
void check_bounds(const Bounds& bounds, const std::array<T, size>& values, const std::string& where) {
  check_items(bounds, values, where);
}

template <typename T>
void check_bounds(const Bounds& bounds, const std::map<std::string, T>& values, const std::string& where) {
  check_length(bounds, values.size(), where);
  if (bounds.items == nullptr) return;
  for (const auto& [name, value] : values) check_bounds(*bounds.items, value, where + "." + name);
}

}  // namespace groupvit::detail::record
