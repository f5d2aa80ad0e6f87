// UTF-8 to code points and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace groupvit::detail {

// Empty where `text` is not UTF-8: surrogates, overlong forms and what lies above U+10FFFF are not.
std::optional<std::u32string> decode_utf8(std::string_view text);

void append_utf8(std::string& text, char32_t code);

std::string encode_utf8(std::u32string_view codes);

}  // namespace groupvit::detail
