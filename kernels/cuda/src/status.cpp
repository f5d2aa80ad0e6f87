// What people read: texts and the version.

#include "groupvit/grouping_attention.h"

const char* groupvit_kernel_status_text(groupvit_kernel_status status) {
  switch (status) {
    case GROUPVIT_KERNEL_OK:
      return "no error";
    case GROUPVIT_KERNEL_ERROR_NULL_POINTER:
      return "a pointer is null; expected arguments, and with a batch above 0 all three inputs and four outputs";
    case GROUPVIT_KERNEL_ERROR_DTYPE:
      return "the dtype is unknown; expected float32 (0), float16 (1) or bfloat16 (2)";
    case GROUPVIT_KERNEL_ERROR_BATCH:
      return "the batch is negative or too large; expected 0 or more, with batch * length / 32 and "
             "batch * groups * channels / 128 below 2^31";
    case GROUPVIT_KERNEL_ERROR_GROUPS:
      return "the number of groups is not supported; expected 1 to 128";
    case GROUPVIT_KERNEL_ERROR_LENGTH:
      return "the number of tokens is not supported; expected 1 to 16384";
    case GROUPVIT_KERNEL_ERROR_CHANNELS:
      return "the number of channels is not supported; expected a multiple of 16, from 16 to 1024";
    case GROUPVIT_KERNEL_ERROR_EPS:
      return "eps is not positive, or an empty group would divide by zero";
    case GROUPVIT_KERNEL_ERROR_STRIDE:
      return "a stride leads outside of the address space; expected (size - 1) * stride within 2^58 elements";
    case GROUPVIT_KERNEL_ERROR_ALIGNMENT:
      return "a pointer is not aligned; expected multiples of the size of an element";
    case GROUPVIT_KERNEL_ERROR_DEVICE:
      return "the current device has no kernel in this library; expected compute capability 8.0 or newer";
    case GROUPVIT_KERNEL_ERROR_LAUNCH:
      return "CUDA refused a launch; cudaGetLastError() says why";
  }
  return "an unknown status; expected one of groupvit_kernel_status";
}

int groupvit_grouping_attention_version(void) { return GROUPVIT_GROUPING_ATTENTION_VERSION; }
