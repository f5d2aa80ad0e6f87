// The kernels on a GPU against their emulation on the CPU.
//
// Decisions, counts and means must be the same bits; the soft map differs by the two expf alone. Every case
// runs twice, the second time image by image: the same bits again. `--small` leaves out the largest cases, for
// tools that watch every access. Returns 0 if all of it holds, 1 if not, and 77 where there is no GPU.

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "groupvit/grouping_attention.h"
#include "host_emulation.h"

namespace {

constexpr double kSoftTolerance = 1e-6;
constexpr int64_t kLargest = 1 << 20;  // elements of an image's tokens, from which on a case is large

void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
    exit(1);
  }
}

// Device memory that a host vector was copied to, or is copied back to.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t bytes) : bytes_(bytes) {
    require(cudaMalloc(&data_, bytes), "cudaMalloc");
    // NaN, or -1: what the kernels do not write does not look right.
    require(cudaMemset(data_, 0xff, bytes), "cudaMemset");
  }
  template <typename T>
  explicit DeviceBuffer(const std::vector<T>& host) : DeviceBuffer(host.size() * sizeof(T)) {
    require(cudaMemcpy(data_, host.data(), bytes_, cudaMemcpyHostToDevice), "copy to the device");
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { cudaFree(data_); }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  template <typename T>
  std::vector<T> host() const {
    std::vector<T> values(bytes_ / sizeof(T));
    require(cudaMemcpy(values.data(), data_, bytes_, cudaMemcpyDeviceToHost), "copy to the host");
    return values;
  }

 private:
  size_t bytes_;
  void* data_ = nullptr;
};

struct Case {
  const char* name;
  int32_t dtype;
  int64_t batch, groups, length, channels;
  int64_t padding;  // elements between two rows; an odd number spoils the alignment
  bool ties;
};

constexpr Case kCases[] = {
    {"first stage, 224 px", GROUPVIT_FLOAT32, 2, 64, 196, 384, 0, false},
    {"first stage, 448 px", GROUPVIT_FLOAT32, 2, 64, 784, 384, 0, false},
    {"second stage", GROUPVIT_FLOAT32, 3, 8, 64, 384, 0, false},
    {"first stage, float16", GROUPVIT_FLOAT16, 2, 64, 784, 384, 0, false},
    {"first stage, bfloat16", GROUPVIT_BFLOAT16, 2, 64, 784, 384, 0, false},
    {"second stage, float16", GROUPVIT_FLOAT16, 3, 8, 64, 384, 0, false},
    {"the limits", GROUPVIT_FLOAT32, 1, 128, 16384, 1024, 0, false},
    {"the limits, bfloat16", GROUPVIT_BFLOAT16, 1, 128, 16384, 1024, 0, false},
    {"one of everything", GROUPVIT_FLOAT32, 1, 1, 1, 16, 0, false},
    {"odd sizes", GROUPVIT_FLOAT32, 5, 65, 2049, 144, 0, false},
    {"odd sizes, float16", GROUPVIT_FLOAT16, 5, 33, 97, 48, 0, false},
    {"padded rows", GROUPVIT_FLOAT32, 3, 17, 75, 48, 4, false},
    {"rows out of line", GROUPVIT_FLOAT32, 3, 17, 75, 48, 3, false},
    {"rows out of line, float16", GROUPVIT_FLOAT16, 3, 17, 75, 48, 1, false},
    {"exact ties", GROUPVIT_FLOAT32, 2, 100, 300, 64, 0, true},
    {"exact ties, float16", GROUPVIT_FLOAT16, 2, 100, 300, 64, 0, true},
    {"exact ties, bfloat16", GROUPVIT_BFLOAT16, 2, 20, 300, 64, 0, true},
};

// A value that all three dtypes hold: a small multiple of a power of two.
float draw(std::mt19937& random, bool ties) {
  const int highest = ties ? 1 : 100;
  const int number = std::uniform_int_distribution<int>(-highest, highest)(random);
  return static_cast<float>(number) / (ties ? 1.0f : 64.0f);
}

void append(std::vector<unsigned char>& bytes, int32_t dtype, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (dtype == GROUPVIT_FLOAT16) {
    // Exact, since draw() gives no more than 11 significant bits and no small numbers but 0.
    const uint32_t exponent = bits >> 23 & 0xff;
    bits = (bits >> 16 & 0x8000) | (exponent == 0 ? 0 : (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
  } else if (dtype == GROUPVIT_BFLOAT16) {
    bits >>= 16;
  }
  const size_t size = dtype == GROUPVIT_FLOAT32 ? 4 : 2;
  const auto* first = reinterpret_cast<const unsigned char*>(&bits);
  bytes.insert(bytes.end(), first, first + size);
}

std::vector<unsigned char> draw_rows(std::mt19937& random, const Case& wanted, int64_t rows, int64_t columns,
                                     int64_t used) {
  std::vector<unsigned char> bytes;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      append(bytes, wanted.dtype, column < used ? draw(random, wanted.ties) : 0.0f);
    }
  }
  return bytes;
}

struct Outputs {
  std::vector<float> means, soft, count;
  std::vector<int64_t> index;
};

template <typename T>
bool same_bits(const std::vector<T>& left, const std::vector<T>& right) {
  return left.size() == right.size() && memcmp(left.data(), right.data(), left.size() * sizeof(T)) == 0;
}

bool same_bits(const Outputs& left, const Outputs& right) {
  return same_bits(left.means, right.means) && same_bits(left.soft, right.soft) &&
         same_bits(left.count, right.count) && same_bits(left.index, right.index);
}

// The emulation's outputs by arguments whose inputs are on the host.
Outputs emulate(groupvit_grouping_attention_arguments arguments) {
  const int64_t rows = arguments.batch * arguments.groups;
  Outputs outputs;
  outputs.means.resize(static_cast<size_t>(rows * arguments.channels));
  outputs.soft.resize(static_cast<size_t>(rows * arguments.length));
  outputs.count.resize(static_cast<size_t>(rows));
  outputs.index.resize(static_cast<size_t>(arguments.batch * arguments.length));
  arguments.means = outputs.means.data();
  arguments.soft = outputs.soft.data();
  arguments.count = outputs.count.data();
  arguments.index = outputs.index.data();
  groupvit::emulation::grouping_attention(&arguments, false);
  return outputs;
}

// The kernels' outputs by arguments whose inputs are on the device, `step` images to a call.
Outputs compute(const groupvit_grouping_attention_arguments& arguments, int64_t step) {
  const int64_t rows = arguments.batch * arguments.groups;
  const DeviceBuffer means(static_cast<size_t>(rows * arguments.channels) * sizeof(float));
  const DeviceBuffer soft(static_cast<size_t>(rows * arguments.length) * sizeof(float));
  const DeviceBuffer count(static_cast<size_t>(rows) * sizeof(float));
  const DeviceBuffer index(static_cast<size_t>(arguments.batch * arguments.length) * sizeof(int64_t));
  const int64_t size = arguments.dtype == GROUPVIT_FLOAT32 ? 4 : 2;
  for (int64_t first = 0; first < arguments.batch; first += step) {
    groupvit_grouping_attention_arguments part = arguments;
    part.batch = step;
    part.query = static_cast<const char*>(arguments.query) + first * arguments.query_strides[0] * size;
    part.tokens = static_cast<const char*>(arguments.tokens) + first * arguments.tokens_strides[0] * size;
    part.bias = static_cast<const char*>(arguments.bias) + first * arguments.bias_strides[0] * size;
    part.means = means.as<float>() + first * arguments.groups * arguments.channels;
    part.soft = soft.as<float>() + first * arguments.groups * arguments.length;
    part.count = count.as<float>() + first * arguments.groups;
    part.index = index.as<int64_t>() + first * arguments.length;
    const groupvit_kernel_status status = groupvit_grouping_attention(&part, nullptr);
    if (status != GROUPVIT_KERNEL_OK) {
      fprintf(stderr, "%s (%s)\n", groupvit_kernel_status_text(status), cudaGetErrorString(cudaGetLastError()));
      exit(1);
    }
  }
  require(cudaDeviceSynchronize(), "the kernels");
  return {means.host<float>(), soft.host<float>(), count.host<float>(), index.host<int64_t>()};
}

double largest_difference(const std::vector<float>& left, const std::vector<float>& right) {
  double largest = 0;
  for (size_t position = 0; position < left.size(); ++position) {
    const double difference = std::fabs(static_cast<double>(left[position]) - right[position]);
    // Written so that NaN counts as the largest of all.
    if (!(difference <= largest)) {
      largest = std::isnan(difference) ? HUGE_VAL : difference;
    }
  }
  return largest;
}

bool holds(const Case& wanted) {
  std::mt19937 random(1);
  const int64_t pitch = wanted.channels + wanted.padding;
  const std::vector<unsigned char> query =
      draw_rows(random, wanted, wanted.batch * wanted.groups, pitch, wanted.channels);
  const std::vector<unsigned char> tokens =
      draw_rows(random, wanted, wanted.batch * wanted.length, pitch, wanted.channels);
  const std::vector<unsigned char> bias = draw_rows(random, wanted, wanted.batch, wanted.groups, wanted.groups);

  groupvit_grouping_attention_arguments arguments{};
  arguments.dtype = wanted.dtype;
  arguments.eps = 1.0f;
  arguments.batch = wanted.batch;
  arguments.groups = wanted.groups;
  arguments.length = wanted.length;
  arguments.channels = wanted.channels;
  const int64_t query_strides[3] = {wanted.groups * pitch, pitch, 1};
  const int64_t tokens_strides[3] = {wanted.length * pitch, pitch, 1};
  const int64_t bias_strides[2] = {wanted.groups, 1};
  memcpy(arguments.query_strides, query_strides, sizeof query_strides);
  memcpy(arguments.tokens_strides, tokens_strides, sizeof tokens_strides);
  memcpy(arguments.bias_strides, bias_strides, sizeof bias_strides);

  arguments.query = query.data();
  arguments.tokens = tokens.data();
  arguments.bias = bias.data();
  const Outputs expected = emulate(arguments);

  const DeviceBuffer device_query(query), device_tokens(tokens), device_bias(bias);
  arguments.query = device_query.as<void>();
  arguments.tokens = device_tokens.as<void>();
  arguments.bias = device_bias.as<void>();
  const Outputs got = compute(arguments, arguments.batch);
  const Outputs by_image = compute(arguments, 1);

  const bool decisions = same_bits(got.index, expected.index) && same_bits(got.count, expected.count);
  const bool means = same_bits(got.means, expected.means);
  const double soft = largest_difference(got.soft, expected.soft);
  const bool repeats = same_bits(got, by_image);
  printf("%-28s decisions %-9s means %-9s soft map off by %.1e, image by image %s\n", wanted.name,
         decisions ? "equal," : "DIFFER,", means ? "equal," : "DIFFER,", soft, repeats ? "the same" : "DIFFERENT");
  return decisions && means && soft <= kSoftTolerance && repeats;
}

}  // namespace

int main(int argc, char** argv) {
  const bool small = argc == 2 && strcmp(argv[1], "--small") == 0;
  if (argc > 1 && !small) {
    fprintf(stderr, "got %s; expected nothing, or --small\n", argv[1]);
    return 2;
  }
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // whoever ends this early has the cases before
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    fprintf(stderr, "no GPU was found; this check needs one of compute capability 8.0 or newer\n");
    return 77;
  }
  int failures = 0, run = 0;
  for (const Case& wanted : kCases) {
    if (!small || wanted.length * wanted.channels < kLargest) {
      failures += holds(wanted) ? 0 : 1;
      ++run;
    }
  }
  printf("%d of %d cases failed\n", failures, run);
  return failures == 0 ? 0 : 1;
}
