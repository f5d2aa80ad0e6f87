#include "json.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>

#include "ascii.hpp"
#include "decimal.hpp"

// The parser asserts that strtod, which goes by the locale, has read a number to its end. Its value is not used.
#define JSON_ASSERT(condition) static_cast<void>(condition)
#include <nlohmann/json.hpp>

namespace groupvit::detail::json {
namespace {

constexpr std::size_t kMaxDepth = 64;

// Builds the tree from the events of nlohmann's parser, which by itself keeps the last of several equal names
// and makes floats of large integers.
class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Value take() { return std::move(root_); }

  bool null() {
    place();
    return true;
  }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      throw SyntaxError("the integer " + std::to_string(value) + " has more than 64 bits");
    }
    return put(static_cast<std::int64_t>(value));
  }
  // The parser has put the first byte of the locale's decimal point into the text, and its value is what strtod
  // made of that: both are read anew.
  bool number_float(number_float_t, const string_t& given) {
    if (std::all_of(given.begin(), given.end(), [](char c) { return is_ascii_digit(c) || c == '-'; })) {
      throw SyntaxError("the integer " + given.substr(0, 40) + " has more than 64 bits");
    }
    string_t text = given;
    std::replace_if(text.begin(), text.end(), is_decimal_point, '.');
    const std::optional<double> value = parse_decimal(text);
    if (!value) throw SyntaxError("the number " + text.substr(0, 40) + " is beyond float64");
    return put(double{*value});
  }
  bool string(string_t& value) { return put(std::move(value)); }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(Object()); }
  bool key(string_t& name) {
    open_.back()->get<Object>()->emplace_back().first = std::move(name);
    return true;
  }
  bool end_object() {
    check_names(*open_.back()->get<Object>());
    open_.pop_back();
    return true;
  }
  bool start_array(std::size_t) { return open(Array()); }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    // The parser quotes what it read last, which need not be text.
    std::string reason = error.what();
    std::replace_if(reason.begin(), reason.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    throw SyntaxError(reason);
  }

 private:
  // Of any locale: what else a number may have is known.
  static bool is_decimal_point(char c) {
    return !is_ascii_digit(c) && c != '-' && c != '+' && c != 'e' && c != 'E';
  }

  // Where the next value goes, null so far.
  Value& place() {
    if (open_.empty()) return root_;
    if (Array* array = open_.back()->get<Array>()) return array->emplace_back();
    return open_.back()->get<Object>()->back().second;
  }

  template <typename T>
  bool put(T&& value) {
    place().set(std::forward<T>(value));
    return true;
  }

  // The parents of what is open are not appended to, so the pointers stay valid.
  template <typename T>
  bool open(T&& value) {
    if (open_.size() == kMaxDepth) {
      throw SyntaxError("more than " + std::to_string(kMaxDepth) + " levels of lists and objects");
    }
    Value& place_of_it = place();
    place_of_it.set(std::forward<T>(value));
    open_.push_back(&place_of_it);
    return true;
  }

  void check_names(const Object& object) {
    // Names are compared only where their hashes are equal: a vocabulary has tens of thousands.
    hashes_.clear();
    for (const auto& member : object) hashes_.push_back(std::hash<std::string>()(member.first));
    std::sort(hashes_.begin(), hashes_.end());
    if (std::adjacent_find(hashes_.begin(), hashes_.end()) == hashes_.end()) return;
    std::vector<std::string_view> names;
    for (const auto& member : object) names.push_back(member.first);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) throw SyntaxError("the name \"" + std::string(*twice) + "\" is twice in an object");
  }

  Value root_;
  std::vector<Value*> open_;
  std::vector<std::size_t> hashes_;
};

void write(const Value& value, std::string& out, std::size_t limit);

void write_string(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char kDigits[] = "0123456789abcdef";
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void write(const Value& value, std::string& out, std::size_t limit) {
  if (out.size() > limit) return;
  if (value.is_null()) out += "null";
  if (const auto* boolean = value.get<bool>()) out += *boolean ? "true" : "false";
  if (const auto* integer = value.get<std::int64_t>()) out += std::to_string(*integer);
  if (const auto* number = value.get<double>()) out += decimal_text(*number, 17);
  if (const auto* text = value.get<std::string>()) write_string(*text, out);
  if (const auto* array = value.get<Array>()) {
    out += '[';
    for (std::size_t i = 0; i < array->size() && out.size() <= limit; ++i) {
      if (i != 0) out += ", ";
      write((*array)[i], out, limit);
    }
    out += ']';
  }
  if (const auto* object = value.get<Object>()) {
    out += '{';
    for (std::size_t i = 0; i < object->size() && out.size() <= limit; ++i) {
      if (i != 0) out += ", ";
      write_string((*object)[i].first, out);
      out += ": ";
      write((*object)[i].second, out, limit);
    }
    out += '}';
  }
}

}  // namespace

const Value* Value::find(std::string_view name) const {
  const auto* object = get<Object>();
  if (object == nullptr) return nullptr;
  const auto member = std::find_if(object->begin(), object->end(),
                                   [&](const Object::value_type& each) { return each.first == name; });
  return member == object->end() ? nullptr : &member->second;
}

std::string Value::shown() const {
  constexpr std::size_t kShown = 77;
  std::string out;
  write(*this, out, kShown);
  if (out.size() <= kShown + 3) return out;
  std::size_t end = kShown;
  while ((static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  return out.substr(0, end) + "...";
}

Value parse(std::string_view text) {
  // nlohmann skips the one and stops at the other.
  if (text.substr(0, 3) == "\xef\xbb\xbf") throw SyntaxError("it begins with a byte order mark");
  const std::size_t zero = text.find('\0');
  if (zero != std::string_view::npos) throw SyntaxError("byte " + std::to_string(zero) + " is zero");
  Builder builder;
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace groupvit::detail::json
