// The one exponential of soft scores, the bits of groupvit_runtime.exponential: those of libraries differ between
// processors.
#pragma once

#include <cstdint>
#include <cstring>

namespace groupvit::detail {

// exp(x) of x <= 0 in float32, to 2 units in the last place; exactly 0 below -87.3 and exactly 1 at 0. Cephes' expf: a
// multiple of ln 2 is taken off in two steps, and a polynomial of degree 6 is left. Every operation is rounded on its
// own, and there is no branch, so that loops are vectorized.
inline float exponential(float x) {
  const float held = x < -87.3f ? -87.3f : x;
  // Where floats are integers, so that adding rounds to the nearest, ties to even.
  constexpr float kIntegers = 12582912.0f;
  const float n = (held * 1.44269504f + kIntegers) - kIntegers;
  float r = held - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float q = 1.9875691500e-4f;
  q = q * r + 1.3981999507e-3f;
  q = q * r + 8.3334519073e-3f;
  q = q * r + 4.1665795894e-2f;
  q = q * r + 1.6666665459e-1f;
  q = q * r + 5.0000001201e-1f;
  q = q * r + 1.0f;
  const float y = q * r + 1.0f;
  // From -126 to 0.
  const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.3f ? 0.0f : y * power;
}

}  // namespace groupvit::detail
