/* `groupvit::GroupingAttention` on an NVIDIA GPU: the C interface.
 *
 * For batch b, group g and token n:
 *
 *     logits[b, g, n] = sum_c query[b, g, c] * tokens[b, n, c] + bias[b, g]     float32, never TF32
 *     soft[b, g, n]   = softmax of logits over g
 *     index[b, n]     = argmax of logits over g, the LOWEST g on ties
 *     count[b, g]     = number of n with index[b, n] == g
 *     means[b, g, c]  = sum of tokens[b, n, c] over those n / (count[b, g] + eps)
 *
 * A group without tokens has means of exactly 0. Infinite logits decide and segment as IEEE 754 has it;
 * NaN in an input is outside the contract: outputs are unspecified then, but index stays within [0, G).
 *
 * Outputs are the same bits in every run on one kind of device, and those of one image do not depend on
 * the batch that it is in. */
#ifndef GROUPVIT_GROUPING_ATTENTION_H
#define GROUPVIT_GROUPING_ATTENTION_H

#include <stdint.h>

#if defined(GROUPVIT_KERNELS_STATIC)
#define GROUPVIT_KERNELS_API
#elif defined(_WIN32) && defined(GROUPVIT_KERNELS_BUILD)
#define GROUPVIT_KERNELS_API __declspec(dllexport)
#elif defined(_WIN32)
#define GROUPVIT_KERNELS_API __declspec(dllimport)
#else
#define GROUPVIT_KERNELS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the operator and of this interface; the version of the ONNX domain `groupvit`. */
#define GROUPVIT_GROUPING_ATTENTION_VERSION 1

/* What the kernels are made for. */
#define GROUPVIT_MAX_GROUPS 128
#define GROUPVIT_MAX_LENGTH 16384
#define GROUPVIT_MAX_CHANNELS 1024
#define GROUPVIT_CHANNELS_MULTIPLE 16

/* Element type of query, tokens and bias. */
typedef enum groupvit_dtype {
  GROUPVIT_FLOAT32 = 0,
  GROUPVIT_FLOAT16 = 1,
  GROUPVIT_BFLOAT16 = 2
} groupvit_dtype;

typedef enum groupvit_kernel_status {
  GROUPVIT_KERNEL_OK = 0,
  GROUPVIT_KERNEL_ERROR_NULL_POINTER = 1, /* the arguments, or a pointer in them, are null */
  GROUPVIT_KERNEL_ERROR_DTYPE = 2,        /* dtype is none of groupvit_dtype */
  GROUPVIT_KERNEL_ERROR_BATCH = 3,        /* batch is negative, or needs more blocks than a grid has */
  GROUPVIT_KERNEL_ERROR_GROUPS = 4,       /* groups is outside [1, GROUPVIT_MAX_GROUPS] */
  GROUPVIT_KERNEL_ERROR_LENGTH = 5,       /* length is outside [1, GROUPVIT_MAX_LENGTH] */
  GROUPVIT_KERNEL_ERROR_CHANNELS = 6,     /* channels is no multiple of 16 within [16, GROUPVIT_MAX_CHANNELS] */
  GROUPVIT_KERNEL_ERROR_EPS = 7,          /* eps is not positive: an empty group would divide by zero */
  GROUPVIT_KERNEL_ERROR_STRIDE = 8,       /* a stride leads outside of what 64 bits address */
  GROUPVIT_KERNEL_ERROR_ALIGNMENT = 9,    /* a pointer is not aligned to its element type */
  GROUPVIT_KERNEL_ERROR_DEVICE = 10,      /* the current device is older than compute capability 8.0 */
  GROUPVIT_KERNEL_ERROR_LAUNCH = 11       /* CUDA refused a launch; cudaGetLastError() says why */
} groupvit_kernel_status;

/* One call. Pointers are to device memory that the stream's device reaches.
 *
 * Strides are in elements, in the order of the dimensions; any are allowed, 0 and negative ones included.
 * Query and tokens are read 16 bytes at a time where the last stride is 1 and every row starts at a multiple
 * of 16 bytes, and element by element otherwise, with the same results. Outputs are contiguous and must not
 * overlap the inputs or each other. */
typedef struct groupvit_grouping_attention_arguments {
  int32_t dtype; /* a groupvit_dtype */
  float eps;     /* added to the count of a group; positive */

  int64_t batch;    /* B, 0 or more; with 0 nothing is launched and pointers may be null */
  int64_t groups;   /* G */
  int64_t length;   /* N */
  int64_t channels; /* C */

  const void* query;  /* [B, G, C] dtype, already scaled and projected onto the tokens */
  const void* tokens; /* [B, N, C] dtype, normalized tokens */
  const void* bias;   /* [B, G] dtype, added to the logits */
  int64_t query_strides[3];
  int64_t tokens_strides[3];
  int64_t bias_strides[2];

  float* means;   /* [B, G, C] */
  float* soft;    /* [B, G, N] */
  int64_t* index; /* [B, N] */
  float* count;   /* [B, G] */
} groupvit_grouping_attention_arguments;

/* Put the operator on a stream.
 *
 * Two launches, no allocation, no synchronization, no workspace and no state: any number of threads may call
 * it at once, and it may be captured into a CUDA graph.
 *
 * arguments: read before the function returns.
 * stream: a cudaStream_t of the current device; null is the default stream.
 *
 * Returns GROUPVIT_KERNEL_OK when both kernels are in the stream. Any other status but
 * GROUPVIT_KERNEL_ERROR_LAUNCH means that nothing was launched. Faults while the kernels run show up at the
 * caller's next synchronization. */
GROUPVIT_KERNELS_API groupvit_kernel_status
groupvit_grouping_attention(const groupvit_grouping_attention_arguments* arguments, void* stream);

/* The English text of a status: what happened and what was expected. Never null, never to be freed. */
GROUPVIT_KERNELS_API const char* groupvit_kernel_status_text(groupvit_kernel_status status);

/* GROUPVIT_GROUPING_ATTENTION_VERSION of the library at hand, to be compared with the header's. */
GROUPVIT_KERNELS_API int groupvit_grouping_attention_version(void);

#ifdef __cplusplus
}
#endif

#endif
