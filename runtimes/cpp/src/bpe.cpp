#include "bpe.hpp"

#include <algorithm>
#include <limits>
#include <queue>
#include <string>
#include <unordered_map>

#include "utf8.hpp"

namespace groupvit::detail {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

// The letter that stands for a byte in the vocabulary: printable Latin-1 for itself, the others from U+0100 on.
char32_t byte_letter(unsigned byte) {
  const auto is_printable = [](unsigned b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
  };
  if (is_printable(byte)) return byte;
  char32_t letter = 0x100;
  for (unsigned other = 0; other < byte; ++other) letter += !is_printable(other);
  return letter;
}

struct Symbol {
  std::uint32_t id;
  std::ptrdiff_t previous, next;  // -1 where there is none
  bool merged;                    // into the one before it
};

struct Candidate {
  std::uint32_t rank;
  std::size_t position;
  std::uint32_t id;
  // The top of the queue is of the lowest rank, and the leftmost of these.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

}  // namespace

Bpe::Bpe(const BpeConfig& config) {
  std::unordered_map<std::string_view, std::uint32_t> ids;
  ids.reserve(config.vocabulary.size());
  for (const auto& [token, id] : config.vocabulary) ids.emplace(token, id);
  const auto lookup = [&](std::string_view token) -> std::optional<std::uint32_t> {
    const auto found = ids.find(token);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };

  const auto unknown = config.unknown ? lookup(*config.unknown) : std::nullopt;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_utf8(letter, byte_letter(byte));
    for (auto* table : {&inner_, &last_}) {
      auto& id = (*table)[byte];
      id = lookup(table == &inner_ ? letter : letter + config.end_of_word);
      if (!id && config.unknown && !unknown) {
        throw TokenizerConfigError("its vocabulary lacks the byte " + std::to_string(byte) + " and " + *config.unknown);
      }
      // Without an unknown token the library drops such bytes.
      if (!id) id = unknown;
    }
  }

  if (config.merges.size() >= kNoRank / 4) throw TokenizerConfigError("it has too many merges");
  std::size_t slots = 2;
  while (slots < 2 * config.merges.size()) slots *= 2;
  merges_.assign(slots, Merge{0, kNoRank, 0});
  std::string both;
  for (std::size_t rank = 0; rank < config.merges.size(); ++rank) {
    const auto& [first, second] = config.merges[rank];
    both.assign(first).append(second);
    const auto left = lookup(first), right = lookup(second), merged = lookup(both);
    if (!left || !right || !merged) {
      throw TokenizerConfigError("its merge of " + first + " and " + second + " is not of its vocabulary");
    }
    const std::uint64_t pair = std::uint64_t{*left} << 32 | *right;
    // The last of several merges of a pair counts, as in the library.
    merges_[slot(pair)] = {pair, static_cast<std::uint32_t>(rank), *merged};
  }
}

std::size_t Bpe::slot(std::uint64_t pair) const {
  const std::size_t mask = merges_.size() - 1;
  std::size_t index = static_cast<std::size_t>(pair * 0x9e3779b97f4a7c15u >> 32) & mask;
  while (merges_[index].rank != kNoRank && merges_[index].pair != pair) index = (index + 1) & mask;
  return index;
}

const Bpe::Merge* Bpe::find(std::uint32_t first, std::uint32_t second) const {
  const Merge& merge = merges_[slot(std::uint64_t{first} << 32 | second)];
  return merge.rank == kNoRank ? nullptr : &merge;
}

void Bpe::encode(std::string_view word, std::vector<std::int64_t>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto& table = i + 1 == word.size() ? last_ : inner_;
    const auto id = table[static_cast<unsigned char>(word[i])];
    if (!id) continue;
    const auto position = static_cast<std::ptrdiff_t>(symbols.size());
    symbols.push_back({*id, position - 1, position + 1, false});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;

  std::priority_queue<Candidate> queue;
  const auto propose = [&](std::size_t position, std::size_t next) {
    if (const Merge* merge = find(symbols[position].id, symbols[next].id)) {
      queue.push({merge->rank, position, merge->id});
    }
  };
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) propose(i, i + 1);
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[top.position];
    if (left.merged || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    // An earlier merge may have changed the pair since it was proposed.
    const Merge* merge = find(left.id, right.id);
    if (merge == nullptr || merge->id != top.id) continue;
    left.id = top.id;
    left.next = right.next;
    right.merged = true;
    if (left.next >= 0) {
      symbols[static_cast<std::size_t>(left.next)].previous = static_cast<std::ptrdiff_t>(top.position);
    }
    if (left.previous >= 0) propose(static_cast<std::size_t>(left.previous), top.position);
    if (left.next >= 0) propose(top.position, static_cast<std::size_t>(left.next));
  }
  for (std::ptrdiff_t i = 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next) {
    ids.push_back(symbols[static_cast<std::size_t>(i)].id);
  }
}

}  // namespace groupvit::detail
