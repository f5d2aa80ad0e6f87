// A tokenizer.json, then a zero and a sentence: refused, or the sentence encoded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "error.hpp"
#include "tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace groupvit::detail;
  const auto* zero = std::find(data, data + size, 0);
  try {
    const Tokenizer tokenizer({reinterpret_cast<const char*>(data), static_cast<std::size_t>(zero - data)}, "fuzz");
    const auto* sentence = reinterpret_cast<const char*>(zero == data + size ? zero : zero + 1);
    tokenizer.encode({sentence, static_cast<std::size_t>(reinterpret_cast<const char*>(data) + size - sentence)});
  } catch (const Error& error) {
    if (error.status() != GROUPVIT_ERROR_BUNDLE && error.status() != GROUPVIT_ERROR_LABEL) __builtin_trap();
  }
  return 0;
}
