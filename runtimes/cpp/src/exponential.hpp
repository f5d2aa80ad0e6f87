// The one exponential of soft scores, the bits of groupvit_runtime.exponential: those of libraries differ between
// processors.
#pragma once

#include <cstdint>
#include <cstring>

namespace groupvit::detail {

// exp(x) of x <= 0 in float32, to 2 units in the last place; exactly 0 below -87.3 and exactly 1 at 0. Cephes' expf: a
// multiple of ln 2 is taken off in two steps, and a polynomial is left. Every operation is rounded on its own, and there is
// no branch and no conversion, so that loops are vectorized and any float may come.
inline float exponential(float x) {
  // Where floats are integers, so that adding rounds to the nearest, ties to even, and the last bits are that integer.
  constexpr float kIntegers = 12582912.0f;
  const float whole = x * 1.44269504f + kIntegers;
  const float n = whole - kIntegers;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r + 1.0f;
  y = y * r + 1.0f;
  std::uint32_t bits, exponent;
  std::memcpy(&bits, &y, sizeof bits);
  std::memcpy(&exponent, &whole, sizeof exponent);
  // The result is a normal number, so that adding to its exponent is the product with 2^n; below -87.3 no bit is kept.
  bits = (bits + (exponent << 23)) & (x >= -87.3f ? 0xffffffffu : 0u);
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

}  // namespace groupvit::detail
