// Whether a call is within what the kernels are made for. Nothing past this check can go out of bounds.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "groupvit/detail/assign.h"
#include "groupvit/detail/group_mean.h"
#include "groupvit/grouping_attention.h"

namespace groupvit::detail {

// Blocks of the two launches, in one dimension: the others end at 65535 blocks.
inline int64_t assign_blocks(const groupvit_grouping_attention_arguments& arguments) {
  return arguments.batch * assign_tiles(static_cast<int>(arguments.length));
}

inline int64_t mean_blocks(const groupvit_grouping_attention_arguments& arguments) {
  return arguments.batch * arguments.groups * mean_slabs(static_cast<int>(arguments.channels));
}

// Whether (size - 1) * stride, and sums of three such products in bytes, stay within 64 bits.
inline bool is_addressable(int64_t size, int64_t stride) {
  constexpr int64_t limit = int64_t{1} << 58;
  const int64_t steps = size > 1 ? size - 1 : 1;
  return stride <= limit / steps && stride >= -(limit / steps);
}

inline bool is_aligned(const void* pointer, uintptr_t alignment) {
  return reinterpret_cast<uintptr_t>(pointer) % alignment == 0;
}

// The first thing wrong with a call. Sizes come before pointers, since a batch of 0 needs none.
inline groupvit_kernel_status check_arguments(const groupvit_grouping_attention_arguments* arguments) {
  if (arguments == nullptr) {
    return GROUPVIT_KERNEL_ERROR_NULL_POINTER;
  }
  const groupvit_grouping_attention_arguments& call = *arguments;
  if (call.dtype != GROUPVIT_FLOAT32 && call.dtype != GROUPVIT_FLOAT16 && call.dtype != GROUPVIT_BFLOAT16) {
    return GROUPVIT_KERNEL_ERROR_DTYPE;
  }
  if (call.groups < 1 || call.groups > GROUPVIT_MAX_GROUPS) {
    return GROUPVIT_KERNEL_ERROR_GROUPS;
  }
  if (call.length < 1 || call.length > GROUPVIT_MAX_LENGTH) {
    return GROUPVIT_KERNEL_ERROR_LENGTH;
  }
  if (call.channels < GROUPVIT_CHANNELS_MULTIPLE || call.channels > GROUPVIT_MAX_CHANNELS ||
      call.channels % GROUPVIT_CHANNELS_MULTIPLE != 0) {
    return GROUPVIT_KERNEL_ERROR_CHANNELS;
  }
  // Bounded before it is multiplied.
  if (call.batch < 0 || call.batch > INT32_MAX || assign_blocks(call) > INT32_MAX || mean_blocks(call) > INT32_MAX) {
    return GROUPVIT_KERNEL_ERROR_BATCH;
  }
  // Written so that NaN is refused as well.
  if (!(call.eps > 0.0f)) {
    return GROUPVIT_KERNEL_ERROR_EPS;
  }
  if (call.batch == 0) {
    return GROUPVIT_KERNEL_OK;
  }
  for (const void* pointer : {call.query, call.tokens, call.bias, static_cast<const void*>(call.means),
                              static_cast<const void*>(call.soft), static_cast<const void*>(call.index),
                              static_cast<const void*>(call.count)}) {
    if (pointer == nullptr) {
      return GROUPVIT_KERNEL_ERROR_NULL_POINTER;
    }
  }
  if (!is_addressable(call.batch, call.query_strides[0]) || !is_addressable(call.groups, call.query_strides[1]) ||
      !is_addressable(call.channels, call.query_strides[2]) || !is_addressable(call.batch, call.tokens_strides[0]) ||
      !is_addressable(call.length, call.tokens_strides[1]) || !is_addressable(call.channels, call.tokens_strides[2]) ||
      !is_addressable(call.batch, call.bias_strides[0]) || !is_addressable(call.groups, call.bias_strides[1])) {
    return GROUPVIT_KERNEL_ERROR_STRIDE;
  }
  const uintptr_t element = call.dtype == GROUPVIT_FLOAT32 ? 4 : 2;
  if (!is_aligned(call.query, element) || !is_aligned(call.tokens, element) || !is_aligned(call.bias, element) ||
      !is_aligned(call.means, 4) || !is_aligned(call.soft, 4) || !is_aligned(call.index, 8) ||
      !is_aligned(call.count, 4)) {
    return GROUPVIT_KERNEL_ERROR_ALIGNMENT;
  }
  return GROUPVIT_KERNEL_OK;
}

}  // namespace groupvit::detail
