#include "text_cleaning.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "error.hpp"
#include "unicode.hpp"
#include "utf8.hpp"

namespace groupvit::detail {
namespace {

struct NamedText {
  const char* name;
  const char32_t* text;
};

struct ReplacedCode {
  char32_t code;
  const char32_t* text;
};

struct CodeRange {
  char32_t first, last;
};

// Code points one after the other, each of a set; `anchored` at the beginning of the text.
struct SuspectPattern {
  bool anchored;
  std::uint8_t length;
  std::uint8_t sets[8];
};

#include "text_cleaning_tables.inc"

bool is_in(char32_t code, const CodeRange* begin, const CodeRange* end) {
  const CodeRange* next =
      std::upper_bound(begin, end, code, [](char32_t value, const CodeRange& range) { return value < range.first; });
  return next != begin && code <= (next - 1)->last;
}

template <std::size_t size>
bool is_in(char32_t code, const CodeRange (&ranges)[size]) {
  return is_in(code, std::begin(ranges), std::end(ranges));
}

template <std::size_t size>
const char32_t* find(const ReplacedCode (&table)[size], char32_t code) {
  const ReplacedCode* row = std::lower_bound(std::begin(table), std::end(table), code,
                                             [](const ReplacedCode& r, char32_t value) { return r.code < value; });
  return row != std::end(table) && row->code == code ? row->text : nullptr;
}

template <std::size_t size>
const char32_t* find(const NamedText (&table)[size], std::string_view name) {
  const NamedText* row = std::lower_bound(std::begin(table), std::end(table), name,
                                          [](const NamedText& r, std::string_view value) { return r.name < value; });
  return row != std::end(table) && row->name == name ? row->text : nullptr;
}

template <std::size_t size>
std::u32string replaced(std::u32string_view text, const ReplacedCode (&table)[size]) {
  std::u32string changed;
  for (const char32_t code : text) {
    if (const char32_t* other = find(table, code)) {
      changed += other;
    } else {
      changed.push_back(code);
    }
  }
  return changed;
}

bool is_digit(char32_t code) { return code >= U'0' && code <= U'9'; }

bool is_ascii_letter(char32_t code) { return (code | 32) >= U'a' && (code | 32) <= U'z'; }

bool is_hex(char32_t code) { return is_digit(code) || ((code | 32) >= U'a' && (code | 32) <= U'f'); }

// The number of code points from `start` on for which `holds`, at most `most`.
template <typename Predicate>
std::size_t run(std::u32string_view text, std::size_t start, std::size_t most, const Predicate& holds) {
  std::size_t length = 0;
  while (length < most && start + length < text.size() && holds(text[start + length])) ++length;
  return length;
}

// Names are ASCII, and what is not is in no table.
std::string narrow(std::u32string_view text) {
  std::string name;
  for (const char32_t code : text) name.push_back(code < 0x80 ? static_cast<char>(code) : '\xff');
  return name;
}

std::u32string number_text(std::u32string_view digits, unsigned base) {
  char32_t number = 0;
  for (const char32_t digit : digits) {
    const char32_t value = is_digit(digit) ? digit - U'0' : (digit | 32) - U'a' + 10;
    number = std::min<char32_t>(number * base + value, 0x110000);
  }
  if (const char32_t* text = find(kReferences, number)) return text;
  if ((number >= 0xd800 && number < 0xe000) || number > 0x10ffff) return U"\ufffd";
  return is_in(number, kNoReferences) ? std::u32string() : std::u32string(1, number);
}

// What html.unescape makes of a name without its ampersand: the longest beginning that is one.
std::u32string name_text(std::u32string_view name) {
  const std::string ascii = narrow(name);
  for (std::size_t length = name.size(); length > 1; --length) {
    if (const char32_t* text = find(kEntities, std::string_view(ascii).substr(0, length))) {
      return std::u32string(text).append(name.substr(length));
    }
  }
  return U"&" + std::u32string(name);
}

// html.unescape.
std::u32string unescaped(std::u32string_view text) {
  std::u32string changed;
  for (std::size_t i = 0; i < text.size();) {
    const bool number = text[i] == U'&' && i + 1 < text.size() && text[i + 1] == U'#';
    const bool hex = number && i + 2 < text.size() && (text[i + 2] | 32) == U'x';
    const std::size_t start = i + (hex ? 3 : number ? 2 : 1);
    std::size_t length = 0;
    if (hex) length = run(text, start, text.size(), is_hex);
    if (number && !hex) length = run(text, start, text.size(), is_digit);
    if (text[i] == U'&' && !number) {
      length = run(text, start, 32, [](char32_t code) {
        return std::u32string_view(U"\t\n\f <&#;").find(code) == std::u32string_view::npos;
      });
    }
    if (length == 0) {
      changed.push_back(text[i++]);
      continue;
    }
    const bool closed = start + length < text.size() && text[start + length] == U';';
    if (number) {
      changed += number_text(text.substr(start, length), hex ? 16 : 10);
    } else {
      changed += name_text(text.substr(start, length + closed));
    }
    i = start + length + closed;
  }
  return changed;
}

// ftfy's own: only what ends with a semicolon, and names in capitals as well.
std::u32string unescaped_closed(std::u32string_view text) {
  std::u32string changed;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i + (i + 1 < text.size() && text[i + 1] == U'#' ? 2 : 1);
    const std::size_t length = text[i] != U'&' ? 0 : run(text, start, 24, [](char32_t code) {
      return is_digit(code) || is_ascii_letter(code);
    });
    const std::size_t end = start + length + 1;
    if (length == 0 || end > text.size() || text[end - 1] != U';') {
      changed.push_back(text[i++]);
      continue;
    }
    const std::u32string_view whole = text.substr(i, end - i);
    const std::string name = narrow(whole.substr(1));
    const char32_t* named = find(kCapitalEntities, name);
    if (named == nullptr) named = find(kEntities, name);
    if (named != nullptr) {
      changed += named;
    } else {
      const std::u32string once = start == i + 2 ? unescaped(whole) : std::u32string(whole);
      changed += once.find(U';') == std::u32string::npos ? once : std::u32string(whole);
    }
    i = end;
  }
  return changed;
}

bool matches(std::u32string_view text, std::size_t start, const SuspectPattern& pattern) {
  if ((pattern.anchored && start != 0) || start + pattern.length > text.size()) return false;
  for (std::size_t i = 0; i < pattern.length; ++i) {
    const std::size_t set = pattern.sets[i];
    if (!is_in(text[start + i], kSuspectRanges + kSuspectSets[set], kSuspectRanges + kSuspectSets[set + 1])) return false;
  }
  return true;
}

// ftfy.badness.is_bad, which is asked of text that is not all ASCII.
bool is_suspect(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t code) { return code < 0x80; })) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const SuspectPattern& pattern : kSuspectPatterns) {
      if (matches(text, i, pattern)) return true;
    }
  }
  return false;
}

char32_t uncurled(char32_t code) {
  if (code == 0x2bc || (code >= 0x2018 && code <= 0x201b)) return U'\'';
  if (code >= 0x201c && code <= 0x201f) return U'"';
  return code;
}

// CR LF, CR, U+2028, U+2029 and U+0085 become LF.
std::u32string with_line_feeds(std::u32string_view text) {
  std::u32string changed;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool crlf = text[i] == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n';
    if (crlf) continue;
    const bool ends = text[i] == U'\r' || text[i] == 0x2028 || text[i] == 0x2029 || text[i] == 0x85;
    changed.push_back(ends ? U'\n' : text[i]);
  }
  return changed;
}

// Of terminals: ESC [ numbers letter.
std::u32string without_escapes(std::u32string_view text) {
  std::u32string changed;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == 0x1b && i + 1 < text.size() && text[i + 1] == U'[') {
      const std::size_t end =
          i + 2 + run(text, i + 2, text.size(), [](char32_t code) { return is_digit(code) || code == U';'; });
      if (end < text.size() && is_ascii_letter(text[end])) {
        i = end + 1;
        continue;
      }
    }
    changed.push_back(text[i++]);
  }
  return changed;
}

// ftfy.fix_and_explain of one line.
std::u32string fixed_line(std::u32string text, bool unescapes) {
  for (;;) {
    const std::u32string before = text;
    if (unescapes) text = unescaped_closed(text);
    if (is_suspect(text)) {
      throw Error(GROUPVIT_ERROR_LABEL, "a label looks as if it was decoded by the wrong encoding",
                  "'" + encode_utf8(text.substr(0, 60)) + "'",
                  "text whose encoding need not be guessed, as the Python runtime does for this kind of model",
                  "write what is meant, or make the vocabulary in Python: groupvit vocab BUNDLE --labels ... -o FILE");
    }
    text = replaced(replaced(text, kLigatures), kWidths);
    std::transform(text.begin(), text.end(), text.begin(), uncurled);
    text = without_escapes(with_line_feeds(text));
    text.erase(std::remove_if(text.begin(), text.end(), [](char32_t code) { return is_in(code, kControls); }),
               text.end());
    text = to_nfc(text);
    if (text == before) return text;
  }
}

std::u32string fixed(std::u32string_view text) {
  std::u32string whole;
  bool unescapes = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(U'\n'), text.size() - 1) + 1;
    // Once there was a tag, an ampersand means itself.
    unescapes = unescapes && text.substr(0, end).find(U'<') == std::u32string_view::npos;
    whole += fixed_line(std::u32string(text.substr(0, end)), unescapes);
    text.remove_prefix(end);
  }
  return whole;
}

// Stripped, with single spaces between words.
std::u32string single_spaced(std::u32string_view text) {
  std::u32string words;
  bool pending = false;
  for (const char32_t code : text) {
    if (is_space(code)) {
      pending = !words.empty();
      continue;
    }
    if (pending) words.push_back(U' ');
    pending = false;
    words.push_back(code);
  }
  return words;
}

// Whether a capital sigma at `place` ends a word.
bool ends_word(std::u32string_view text, std::size_t place) {
  const auto ignored = [](char32_t code) { return is_in(code, kCaseIgnored); };
  const auto after = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(place) + 1, text.end(), ignored);
  const auto before = std::find_if_not(std::make_reverse_iterator(text.begin() + static_cast<std::ptrdiff_t>(place)),
                                       text.rend(), ignored);
  return before != text.rend() && is_in(*before, kCased) && (after == text.end() || !is_in(*after, kCased));
}

// str.lower: as to_lower, but for the sigma at the end of a word.
std::u32string python_lower(std::u32string_view text) {
  std::u32string changed(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0x3a3 && ends_word(text, i)) changed[i] = 0x3c2;
  }
  return to_lower(changed);
}

}  // namespace

std::u32string clean_as_nvlabs(std::u32string_view text) {
  return python_lower(single_spaced(unescaped(unescaped(fixed(text)))));
}

}  // namespace groupvit::detail
