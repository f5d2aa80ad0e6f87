// The arguments of a call as the kernels read them.
#pragma once

#include <cstdint>

#include "groupvit/detail/element.h"
#include "groupvit/detail/host_device.h"
#include "groupvit/grouping_attention.h"

namespace groupvit::detail {

// A [batch, row, channel] input.
template <typename T>
struct Rows {
  const T* data;
  int64_t strides[3];
  bool whole;  // whether every vector of every row may be loaded at once

  GROUPVIT_HOST_DEVICE Vector vector(int64_t batch, int64_t row, int64_t channel) const {
    return load_vector(data + batch * strides[0] + row * strides[1] + channel * strides[2], strides[2], whole);
  }
};

template <typename T>
struct Problem {
  Rows<T> query;
  Rows<T> tokens;
  const T* bias;
  int64_t bias_strides[2];
  float* means;
  float* soft;
  int64_t* index;
  float* count;
  int64_t batch;
  int groups;
  int length;
  int channels;
  float eps;
};

template <typename T>
Rows<T> make_rows(const void* data, int64_t batch, int64_t rows, const int64_t (&strides)[3]) {
  constexpr int64_t step = kPerVector<T>;
  // The stride of a dimension of one is never taken, and frameworks put anything there.
  const bool whole = reinterpret_cast<uintptr_t>(data) % sizeof(Vector) == 0 && strides[2] == 1 &&
                     (batch == 1 || strides[0] % step == 0) && (rows == 1 || strides[1] % step == 0);
  return {static_cast<const T*>(data), {strides[0], strides[1], strides[2]}, whole};
}

// `arguments` have passed check_arguments().
template <typename T>
Problem<T> make_problem(const groupvit_grouping_attention_arguments& arguments) {
  return {make_rows<T>(arguments.query, arguments.batch, arguments.groups, arguments.query_strides),
          make_rows<T>(arguments.tokens, arguments.batch, arguments.length, arguments.tokens_strides),
          static_cast<const T*>(arguments.bias),
          {arguments.bias_strides[0], arguments.bias_strides[1]},
          arguments.means,
          arguments.soft,
          arguments.index,
          arguments.count,
          arguments.batch,
          static_cast<int>(arguments.groups),
          static_cast<int>(arguments.length),
          static_cast<int>(arguments.channels),
          arguments.eps};
}

}  // namespace groupvit::detail
