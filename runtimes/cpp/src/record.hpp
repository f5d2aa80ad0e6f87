// Records from JSON values: a field that is missing (but for those added later) or of another type is an error, and one
// that is not known is ignored, as in groupvit_runtime.serialize for what is extensible.
//
// A record names its fields in one table beside its type,
//
//   auto fields(const TensorInfo*) {
//     return std::make_tuple(field("name", &TensorInfo::name), field("dtype", &TensorInfo::dtype));
//   }
//
// and may have `void check(const TensorInfo&)` for what types cannot say.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bounds.hpp"
#include "error.hpp"
#include "json.hpp"

namespace groupvit::detail::record {

[[noreturn]] inline void mismatch(const std::string& where, const std::string& expected, const json::Value& got) {
  throw Error(GROUPVIT_ERROR_BUNDLE, where + " has another type than the schema says", got.shown(), expected,
              "export the bundle again; a manifest is not edited by hand");
}

template <typename T, typename Record>
struct Field {
  const char* name;
  T Record::* member;
  Bounds bounds;
  bool added_later = false;
};

template <typename T, typename Record>
Field<T, Record> field(const char* name, T Record::* member, Bounds bounds = {}) {
  return {name, member, std::move(bounds)};
}

// A field that a later minor version added: where it is missing, the record's default is what was meant.
template <typename T, typename Record>
Field<T, Record> added_later(Field<T, Record> field) {
  field.added_later = true;
  return field;
}

// One of a few strings, kept as it is or as an enumerator.
template <typename Chosen, typename T, typename Record>
struct Choice {
  const char* name;
  T Record::* member;
  std::vector<std::pair<const char*, Chosen>> allowed;
  bool added_later = false;
};

template <typename T>
struct ChosenOf {
  using type = T;
};
template <typename T>
struct ChosenOf<std::optional<T>> {
  using type = T;
};

template <typename T, typename Record>
Choice<typename ChosenOf<T>::type, T, Record> one_of(
    const char* name, T Record::* member, std::vector<std::pair<const char*, typename ChosenOf<T>::type>> allowed) {
  return {name, member, std::move(allowed)};
}

inline void decode(std::string& out, const json::Value& value, const std::string& where) {
  const auto* text = value.get<std::string>();
  if (text == nullptr) mismatch(where, "str", value);
  out = *text;
}

inline void decode(std::int64_t& out, const json::Value& value, const std::string& where) {
  const auto* integer = value.get<std::int64_t>();
  if (integer == nullptr) mismatch(where, "int", value);
  out = *integer;
}

inline void decode(bool& out, const json::Value& value, const std::string& where) {
  const auto* boolean = value.get<bool>();
  if (boolean == nullptr) mismatch(where, "bool", value);
  out = *boolean;
}

inline void decode(double& out, const json::Value& value, const std::string& where) {
  const auto* integer = value.get<std::int64_t>();
  const auto* number = value.get<double>();
  if (integer == nullptr && number == nullptr) mismatch(where, "a number", value);
  out = integer != nullptr ? static_cast<double>(*integer) : *number;
}

inline const json::Array& as_list(const json::Value& value, const std::string& where) {
  const auto* array = value.get<json::Array>();
  if (array == nullptr) mismatch(where, "a list", value);
  return *array;
}

// Declared before they are used by each other.
template <typename T>
void decode(std::optional<T>& out, const json::Value& value, const std::string& where);
template <typename T>
void decode(std::vector<T>& out, const json::Value& value, const std::string& where);
template <typename T, std::size_t size>
void decode(std::array<T, size>& out, const json::Value& value, const std::string& where);
template <typename T>
void decode(std::map<std::string, T>& out, const json::Value& value, const std::string& where);
template <typename Record, typename = decltype(fields(static_cast<const Record*>(nullptr)))>
void decode(Record& out, const json::Value& value, const std::string& where);

template <typename T>
void decode(std::optional<T>& out, const json::Value& value, const std::string& where) {
  out.reset();
  if (!value.is_null()) decode(out.emplace(), value, where);
}

template <typename T>
void decode(std::vector<T>& out, const json::Value& value, const std::string& where) {
  const json::Array& array = as_list(value, where);
  out.clear();
  out.reserve(array.size());
  for (std::size_t i = 0; i < array.size(); ++i) {
    decode(out.emplace_back(), array[i], where + "[" + std::to_string(i) + "]");
  }
}

template <typename T, std::size_t size>
void decode(std::array<T, size>& out, const json::Value& value, const std::string& where) {
  const json::Array& array = as_list(value, where);
  if (array.size() != size) mismatch(where, "a list of " + std::to_string(size), value);
  for (std::size_t i = 0; i < size; ++i) decode(out[i], array[i], where + "[" + std::to_string(i) + "]");
}

template <typename T>
void decode(std::map<std::string, T>& out, const json::Value& value, const std::string& where) {
  const auto* object = value.get<json::Object>();
  if (object == nullptr) mismatch(where, "an object", value);
  out.clear();
  for (const auto& [name, item] : *object) decode(out[name], item, where + "." + name);
}

// `Owner` is `Record` or derived from it.
template <typename T, typename Record, typename Owner>
void decode_field(const Field<T, Record>& field, Owner& out, const json::Value& value, const std::string& where) {
  decode(out.*field.member, value, where);
  check_bounds(field.bounds, out.*field.member, where);
}

template <typename Chosen, typename T, typename Record, typename Owner>
void decode_field(const Choice<Chosen, T, Record>& field, Owner& out, const json::Value& value,
                  const std::string& where) {
  if (!std::is_same_v<Chosen, T> && value.is_null()) {
    out.*field.member = T();
    return;
  }
  const auto* text = value.get<std::string>();
  std::string names;
  for (const auto& [name, chosen] : field.allowed) {
    if (text != nullptr && *text == name) {
      out.*field.member = chosen;
      return;
    }
    names += (names.empty() ? "'" : " or '") + std::string(name) + "'";
  }
  mismatch(where, names, value);
}

inline std::string listed(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return "[" + text + "]";
}

struct Unchecked {};
template <typename Record>
Unchecked check(const Record&, ...) {
  return {};
}

template <typename Record, typename>
void decode(Record& out, const json::Value& value, const std::string& where) {
  const auto* object = value.get<json::Object>();
  if (object == nullptr) mismatch(where, "an object", value);
  static const auto table = fields(static_cast<const Record*>(nullptr));
  std::vector<std::string> known, missing;
  std::apply(
      [&](const auto&... field) {
        const auto look = [&](const char* name, bool may_be_missing) {
          known.emplace_back(name);
          if (value.find(name) == nullptr && !may_be_missing) missing.emplace_back(name);
        };
        (look(field.name, field.added_later), ...);
      },
      table);
  if (!missing.empty()) {
    throw Error(GROUPVIT_ERROR_BUNDLE, "the fields of " + where + " are not those of this schema",
                "missing " + listed(missing), listed(known),
                "export the bundle again with this version of the toolkit");
  }
  std::apply(
      [&](const auto&... field) {
        const auto read = [&](const auto& each) {
          const json::Value* found = value.find(each.name);
          if (found != nullptr) decode_field(each, out, *found, where + "." + each.name);
        };
        (read(field), ...);
      },
      table);
  check(out);
}

}  // namespace groupvit::detail::record
