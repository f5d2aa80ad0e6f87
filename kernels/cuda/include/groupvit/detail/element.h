// Elements of the inputs, and 16 bytes of them at a time.
#pragma once

#include <cassert>
#include <cstdint>
#include <cstring>

#include "groupvit/detail/host_device.h"

namespace groupvit::detail {

// IEEE 754 binary16 and bfloat16 by their bits: the vendor's types have no host arithmetic everywhere.
struct Half {
  uint16_t bits;
};

struct BFloat16 {
  uint16_t bits;
};

GROUPVIT_HOST_DEVICE inline float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Every conversion is exact, subnormals and infinities included.
GROUPVIT_HOST_DEVICE inline float to_float(float value) { return value; }

GROUPVIT_HOST_DEVICE inline float to_float(BFloat16 value) {
  return float_from_bits(static_cast<uint32_t>(value.bits) << 16);
}

GROUPVIT_HOST_DEVICE inline float to_float(Half value) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
#else
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1fu;
  const uint32_t mantissa = value.bits & 0x3ffu;
  if (exponent == 0) {
    // Subnormal halves are multiples of 2^-24 and normal floats.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t widened = exponent == 0x1f ? 0xffu : exponent + (127 - 15);
  return float_from_bits(sign | widened << 23 | mantissa << 13);
#endif
}

// The unit of a load from global memory.
struct alignas(16) Vector {
  uint32_t words[4];
};

template <typename T>
inline constexpr int kPerVector = static_cast<int>(sizeof(Vector) / sizeof(T));

template <typename T>
GROUPVIT_HOST_DEVICE inline T element(const Vector& vector, int position) {
  T value;
  if constexpr (sizeof(T) == 4) {
    memcpy(&value, &vector.words[position], sizeof value);
  } else {
    value.bits = static_cast<uint16_t>(vector.words[position / 2] >> (16 * (position % 2)));
  }
  return value;
}

template <typename T>
GROUPVIT_HOST_DEVICE inline void set_element(Vector& vector, int position, T value) {
  if constexpr (sizeof(T) == 4) {
    memcpy(&vector.words[position], &value, sizeof value);
  } else {
    vector.words[position / 2] |= static_cast<uint32_t>(value.bits) << (16 * (position % 2));
  }
}

// The kPerVector<T> elements from `first` on, `stride` elements apart. `whole` promises that the stride is 1
// and that `first` is aligned to 16 bytes.
template <typename T>
GROUPVIT_HOST_DEVICE inline Vector load_vector(const T* first, int64_t stride, bool whole) {
  Vector vector{};
  if (whole) {
#if defined(__CUDA_ARCH__)
    const uint4 words = __ldg(reinterpret_cast<const uint4*>(first));
    vector = {{words.x, words.y, words.z, words.w}};
#else
    assert(reinterpret_cast<uintptr_t>(first) % sizeof(Vector) == 0 && stride == 1);
    memcpy(&vector, first, sizeof vector);
#endif
  } else {
    GROUPVIT_UNROLL
    for (int position = 0; position < kPerVector<T>; ++position) {
      set_element(vector, position, first[position * stride]);
    }
  }
  return vector;
}

}  // namespace groupvit::detail
