#include "label_key.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "unicode.hpp"

namespace groupvit::detail {
namespace {

struct Range {
  char32_t first, last;
};

// The tables of groupvit_runtime.label_key, which says what they are.
constexpr Range kIgnorable[] = {
    {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
    {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
};
constexpr Range kJoiners[] = {{0x200c, 0x200d}};
constexpr Range kShapers[] = {
    {0x180b, 0x180f}, {0x200c, 0x200d}, {0xfe00, 0xfe0f}, {0xe0020, 0xe007f}, {0xe0100, 0xe01ef},
};
constexpr Range kShaped[] = {
    {0x600, 0x1cff}, {0x2190, 0x2bff}, {0x3030, 0x303d}, {0x3297, 0x3299}, {0x3400, 0x9fff},
    {0xa840, 0xabff}, {0xfb50, 0xfdff}, {0xfe00, 0xfe0f}, {0xfe70, 0xfefe}, {0x10a00, 0x11fff},
    {0x1e900, 0x1e95f}, {0x1f000, 0x1faff}, {0x20000, 0x3ffff}, {0xe0020, 0xe007f},
};

template <std::size_t size>
bool is_in(char32_t code, const Range (&ranges)[size]) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [&](const Range& range) { return range.first <= code && code <= range.last; });
}

std::u32string visible(std::u32string_view name) {
  std::u32string kept;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (is_in(name[i], kIgnorable)) {
      bool changes = is_in(name[i], kShapers) && !kept.empty() && is_in(kept.back(), kShaped);
      if (is_in(name[i], kJoiners)) changes = changes && i + 1 < name.size() && is_in(name[i + 1], kShaped);
      if (!changes) continue;
    }
    kept.push_back(name[i]);
  }
  return kept;
}

}  // namespace

std::u32string label_key(std::u32string_view name) { return to_nfc(fold_case(to_nfc(visible(name)))); }

}  // namespace groupvit::detail
