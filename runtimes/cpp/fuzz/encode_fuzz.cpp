// A sentence for one tokenizer, the byte-level one of the corpus.
#include <cstddef>
#include <cstdint>

#include "error.hpp"
#include "regular_file.hpp"
#include "tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace groupvit::detail;
  static const Tokenizer tokenizer(read_text(GROUPVIT_FUZZ_TOKENIZER, 1 << 24), "fuzz");
  try {
    // Every byte is in the vocabulary, so nothing is longer than the text, start and end.
    if (tokenizer.encode({reinterpret_cast<const char*>(data), size}).size() > 4 * size + 2) __builtin_trap();
  } catch (const Error& error) {
    if (error.status() != GROUPVIT_ERROR_LABEL) __builtin_trap();
  }
  return 0;
}
