// The inner loop of SHA-256, for sha256.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace groupvit::detail {

extern const std::uint32_t kSha256Rounds[64];

bool has_sha_instructions();

// Only where has_sha_instructions(). `state` is eight words, `data` has `blocks` times 64 bytes.
void sha256_blocks_x86(std::uint32_t* state, const unsigned char* data, std::size_t blocks);

}  // namespace groupvit::detail
