// Byte-pair encoding of words whose letters are bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer_config.hpp"

namespace groupvit::detail {

class Bpe {
 public:
  // Throws TokenizerConfigError for merges of tokens that are not in the vocabulary.
  explicit Bpe(const BpeConfig& config);

  void encode(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  struct Merge {
    std::uint64_t pair;
    std::uint32_t rank;
    std::uint32_t id;
  };

  const Merge* find(std::uint32_t first, std::uint32_t second) const;
  std::size_t slot(std::uint64_t pair) const;

  // Ids of a byte inside a word and at its end; empty where the vocabulary lacks it.
  std::array<std::optional<std::uint32_t>, 256> inner_{}, last_{};
  // Open addressing, a power of two long; an empty slot has the largest rank.
  std::vector<Merge> merges_;
};

}  // namespace groupvit::detail
