// A vocabulary file: loaded or refused; and its bytes as a label and as a template.
#include <cstddef>
#include <cstdint>
#include <string>

#include "error.hpp"
#include "vocabulary.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace groupvit::detail;
  const auto guarded = [](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      if (error.status() != GROUPVIT_ERROR_LABEL) __builtin_trap();
    }
  };
  guarded([&] {
    const Vocabulary vocabulary = parse_vocabulary({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (vocabulary.embeddings.size() != vocabulary.names.size() * static_cast<std::size_t>(vocabulary.width)) {
      __builtin_trap();
    }
  });
  const std::string text(reinterpret_cast<const char*>(data), size);
  guarded([&] { check_labels({text, "cat"}); });
  guarded([&] { fill_prompt(text, "cat"); });
  return 0;
}
