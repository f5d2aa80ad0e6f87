// Properties of code points, as the tokenizers library and Python see them (tools/make_unicode_tables.py).
#pragma once

#include <string>
#include <string_view>

namespace groupvit::detail {

// As patterns of the tokenizers library match: \p{L}, \p{N}, \s, and \w of its pre-tokenizer Whitespace.
bool is_letter(char32_t code);
bool is_number(char32_t code);
bool is_space(char32_t code);
bool is_word(char32_t code);

// Its normalizers NFC and Lowercase. A final sigma is not treated differently.
std::u32string to_nfc(std::u32string_view codes);
std::u32string to_lower(std::u32string_view codes);

// str.isspace and str.casefold of Python.
bool is_python_space(char32_t code);
std::u32string fold_case(std::u32string_view codes);

}  // namespace groupvit::detail
