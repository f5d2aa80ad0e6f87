// Classes of characters that do not change with the locale, as those of <cctype> do.
#pragma once

namespace groupvit::detail {

inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

inline bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace groupvit::detail
