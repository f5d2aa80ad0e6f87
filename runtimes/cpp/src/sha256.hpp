// SHA-256 (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace groupvit::detail {

class Sha256 {
 public:
  // `portable`: without the processor's own instructions, whether it has them or not.
  explicit Sha256(bool portable = false);

  void update(const void* data, std::size_t size);
  // 64 lower-case hexadecimal digits; nothing may be added afterwards.
  std::string hex_digest();

 private:
  void compress(const unsigned char* data, std::size_t blocks);

  bool portable_;
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace groupvit::detail
