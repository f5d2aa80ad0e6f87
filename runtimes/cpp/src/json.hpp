// JSON values, read strictly: what two readers could understand differently is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace groupvit::detail::json {

class Value;
using Array = std::vector<Value>;
// In the order of the text; no name twice.
using Object = std::vector<std::pair<std::string, Value>>;

class Value {
 public:
  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object>;

  template <typename T>
  void set(T&& value) {
    variant_.emplace<std::decay_t<T>>(std::forward<T>(value));
  }

  // Null where the value is of another type.
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&variant_);
  }
  template <typename T>
  T* get() {
    return std::get_if<T>(&variant_);
  }
  bool is_null() const { return std::holds_alternative<std::nullptr_t>(variant_); }

  // The member `name` of an object; null where this is none or has none of that name.
  const Value* find(std::string_view name) const;

  // As JSON on one line, cut at about 80 characters; for messages.
  std::string shown() const;

 private:
  Variant variant_ = nullptr;
};

// The reason is in `what()`.
class SyntaxError : public std::exception {
 public:
  explicit SyntaxError(std::string reason) : reason_(std::move(reason)) {}
  const char* what() const noexcept override { return reason_.c_str(); }

 private:
  std::string reason_;
};

// Throws SyntaxError for everything that RFC 8259 does not allow, a byte order mark, a name that is twice in an
// object, integers beyond 64 bits, numbers beyond float64, and more than 64 levels. An integer is a number
// without point and exponent.
Value parse(std::string_view text);

}  // namespace groupvit::detail::json
