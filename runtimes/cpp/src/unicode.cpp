#include "unicode.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace groupvit::detail {
namespace {

struct CodeRange {
  std::uint32_t first, last;
};

struct ClassRange {
  std::uint32_t first, last;
  std::uint8_t value;
};

// Every `step`-th code point of the range is moved by `delta`.
struct CaseRun {
  std::uint32_t first, last, step;
  std::int32_t delta;
};

// Ends with zeros: U+0000 is in no expansion.
struct Expansion {
  std::uint32_t code;
  std::uint32_t to[4];
};

struct Composition {
  std::uint32_t first, second, composed;
};

#include "unicode_tables.inc"

// The range of a sorted table that may hold `code`; null where none does.
template <typename Range, std::size_t size>
const Range* find_range(const Range (&table)[size], char32_t code) {
  const Range* next = std::upper_bound(std::begin(table), std::end(table), code,
                                       [](char32_t value, const Range& range) { return value < range.first; });
  if (next == std::begin(table) || code > (next - 1)->last) return nullptr;
  return next - 1;
}

// A case run can hold code points between the steps of another, so its neighbors are looked at as well.
template <std::size_t size>
const CaseRun* find_run(const CaseRun (&table)[size], char32_t code) {
  const CaseRun* run = std::upper_bound(std::begin(table), std::end(table), code,
                                        [](char32_t value, const CaseRun& r) { return value < r.first; });
  for (int back = 0; back < 2 && run != std::begin(table); ++back) {
    --run;
    if (code <= run->last && (code - run->first) % run->step == 0) return run;
  }
  return nullptr;
}

template <std::size_t size>
const Expansion* find_expansion(const Expansion (&table)[size], char32_t code) {
  const Expansion* row = std::lower_bound(std::begin(table), std::end(table), code,
                                          [](const Expansion& r, char32_t value) { return r.code < value; });
  return row != std::end(table) && row->code == code ? row : nullptr;
}

void append(std::u32string& codes, const Expansion& expansion) {
  for (const std::uint32_t code : expansion.to) {
    if (code != 0) codes.push_back(code);
  }
}

template <std::size_t runs, std::size_t expansions>
std::u32string change_case(std::u32string_view codes, const CaseRun (&run_table)[runs],
                           const Expansion (&expansion_table)[expansions]) {
  std::u32string changed;
  changed.reserve(codes.size());
  for (const char32_t code : codes) {
    if (code < 0x80) {
      changed.push_back(code >= U'A' && code <= U'Z' ? code + 32 : code);
    } else if (const Expansion* expansion = find_expansion(expansion_table, code)) {
      append(changed, *expansion);
    } else if (const CaseRun* run = find_run(run_table, code)) {
      changed.push_back(static_cast<char32_t>(static_cast<std::int64_t>(code) + run->delta));
    } else {
      changed.push_back(code);
    }
  }
  return changed;
}

// Nothing below is changed by NFC or has a combining class.
constexpr char32_t kFirstCombining = 0x300;

// Hangul syllables are composed by arithmetic; chapter 3.12 of the Unicode Standard has names and numbers.
constexpr char32_t kSBase = 0xac00, kLBase = 0x1100, kVBase = 0x1161, kTBase = 0x11a7;
constexpr char32_t kLCount = 19, kVCount = 21, kTCount = 28, kSCount = kLCount * kVCount * kTCount;

std::uint8_t combining_class(char32_t code) {
  if (code < kFirstCombining) return 0;
  const ClassRange* range = find_range(kCombining, code);
  return range == nullptr ? 0 : range->value;
}

void append_decomposed(std::u32string& codes, char32_t code) {
  if (code >= kSBase && code < kSBase + kSCount) {
    const char32_t index = code - kSBase;
    codes.push_back(kLBase + index / (kVCount * kTCount));
    codes.push_back(kVBase + index % (kVCount * kTCount) / kTCount);
    if (index % kTCount != 0) codes.push_back(kTBase + index % kTCount);
  } else if (const Expansion* expansion = code < 0x80 ? nullptr : find_expansion(kDecompositions, code)) {
    append(codes, *expansion);
  } else {
    codes.push_back(code);
  }
}

// The two composed, or 0.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kLBase && first < kLBase + kLCount && second >= kVBase && second < kVBase + kVCount) {
    return kSBase + ((first - kLBase) * kVCount + (second - kVBase)) * kTCount;
  }
  if (first >= kSBase && first < kSBase + kSCount && (first - kSBase) % kTCount == 0 && second > kTBase &&
      second < kTBase + kTCount) {
    return first + (second - kTBase);
  }
  const Composition* row =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), Composition{first, second, 0},
                       [](const Composition& a, const Composition& b) {
                         return a.first != b.first ? a.first < b.first : a.second < b.second;
                       });
  return row != std::end(kCompositions) && row->first == first && row->second == second ? row->composed : 0;
}

}  // namespace

bool is_letter(char32_t code) {
  if (code < 0x80) return (code | 32) >= U'a' && (code | 32) <= U'z';
  return find_range(kLetters, code) != nullptr;
}

bool is_number(char32_t code) {
  if (code < 0x80) return code >= U'0' && code <= U'9';
  return find_range(kNumbers, code) != nullptr;
}

bool is_space(char32_t code) { return find_range(kSpaces, code) != nullptr; }

bool is_word(char32_t code) { return find_range(kWords, code) != nullptr; }

bool is_python_space(char32_t code) { return find_range(kPythonSpaces, code) != nullptr; }

std::u32string to_lower(std::u32string_view codes) { return change_case(codes, kLower, kLowerExpansions); }

std::u32string fold_case(std::u32string_view codes) { return change_case(codes, kFold, kFoldExpansions); }

std::u32string to_nfc(std::u32string_view codes) {
  if (std::all_of(codes.begin(), codes.end(), [](char32_t code) { return code < kFirstCombining; })) {
    return std::u32string(codes);
  }
  std::u32string parts;
  parts.reserve(codes.size() + 8);
  for (const char32_t code : codes) append_decomposed(parts, code);

  std::vector<std::uint8_t> classes(parts.size());
  std::transform(parts.begin(), parts.end(), classes.begin(), combining_class);
  std::vector<std::size_t> order;
  for (std::size_t start = 0; start < parts.size();) {
    std::size_t end = start;
    while (end < parts.size() && classes[end] != 0) ++end;
    if (end - start > 1) {
      order.resize(end - start);
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = start + i;
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return classes[a] < classes[b]; });
      const std::u32string run = parts.substr(start, end - start);
      const std::vector<std::uint8_t> run_classes(classes.begin() + static_cast<std::ptrdiff_t>(start),
                                                  classes.begin() + static_cast<std::ptrdiff_t>(end));
      for (std::size_t i = 0; i < order.size(); ++i) {
        parts[start + i] = run[order[i] - start];
        classes[start + i] = run_classes[order[i] - start];
      }
    }
    start = end + 1;
  }

  std::u32string composed;
  composed.reserve(parts.size());
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t starter = kNone;
  int last_class = -1;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int current = classes[i];
    // Something of the same or a higher class in between blocks; a starter in between ended the last one's turn.
    if (starter != kNone && last_class < current) {
      if (const char32_t both = compose(composed[starter], parts[i])) {
        composed[starter] = both;
        continue;
      }
    }
    if (current == 0) {
      starter = composed.size();
      last_class = -1;
    } else {
      last_class = current;
    }
    composed.push_back(parts[i]);
  }
  return composed;
}

}  // namespace groupvit::detail
