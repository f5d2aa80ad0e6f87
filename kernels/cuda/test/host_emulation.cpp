// The emulation as a filter: one call on standard input, its outputs on standard output, in host byte order.
//
//   in   Request, then the three inputs, each the number of bytes that the request says
//   out  int32 status, and after 0 means, soft, index and count
//
// Every buffer is an allocation of exactly its size, so that a sanitizer sees the first byte out of bounds.

#include "host_emulation.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

struct Input {
  int64_t bytes;
  int64_t first;  // byte at which element [0, 0, 0] begins
};

struct Request {
  int32_t dtype;
  float eps;
  int64_t sizes[4];  // batch, groups, length, channels
  int64_t query_strides[3];
  int64_t tokens_strides[3];
  int64_t bias_strides[2];
  Input inputs[3];  // query, tokens, bias
  int64_t backwards;
};

void read_exactly(void* target, size_t bytes) {
  if (fread(target, 1, bytes, stdin) != bytes) {
    fprintf(stderr, "standard input ended early: expected %zu more bytes\n", bytes);
    exit(2);
  }
}

template <typename T>
void write_all(const std::vector<T>& values) {
  if (fwrite(values.data(), sizeof(T), values.size(), stdout) != values.size()) {
    fprintf(stderr, "standard output does not take the results\n");
    exit(2);
  }
}

std::vector<float> nans(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  memset(values.data(), 0xff, values.size() * sizeof(float));
  return values;
}

}  // namespace

int main() {
  Request request;
  read_exactly(&request, sizeof request);
  std::vector<unsigned char> inputs[3];
  for (int number = 0; number < 3; ++number) {
    inputs[number].resize(static_cast<size_t>(request.inputs[number].bytes));
    read_exactly(inputs[number].data(), inputs[number].size());
  }
  const auto [batch, groups, length, channels] = request.sizes;
  std::vector<float> means = nans(batch * groups * channels);
  std::vector<float> soft = nans(batch * groups * length);
  std::vector<int64_t> index(static_cast<size_t>(batch * length), -1);
  std::vector<float> count = nans(batch * groups);

  groupvit_grouping_attention_arguments arguments{};
  arguments.dtype = request.dtype;
  arguments.eps = request.eps;
  arguments.batch = batch;
  arguments.groups = groups;
  arguments.length = length;
  arguments.channels = channels;
  arguments.query = inputs[0].data() + request.inputs[0].first;
  arguments.tokens = inputs[1].data() + request.inputs[1].first;
  arguments.bias = inputs[2].data() + request.inputs[2].first;
  memcpy(arguments.query_strides, request.query_strides, sizeof request.query_strides);
  memcpy(arguments.tokens_strides, request.tokens_strides, sizeof request.tokens_strides);
  memcpy(arguments.bias_strides, request.bias_strides, sizeof request.bias_strides);
  arguments.means = means.data();
  arguments.soft = soft.data();
  arguments.index = index.data();
  arguments.count = count.data();

  const int32_t status = groupvit::emulation::grouping_attention(&arguments, request.backwards != 0);
  write_all(std::vector<int32_t>{status});
  if (status == GROUPVIT_KERNEL_OK) {
    write_all(means);
    write_all(soft);
    write_all(index);
    write_all(count);
  }
  return 0;
}
