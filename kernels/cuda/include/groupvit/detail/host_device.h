// What lets the device code compile with an ordinary C++ compiler, where it can be tested without a GPU.
#pragma once

#if defined(__CUDACC__)
#define GROUPVIT_HOST_DEVICE __host__ __device__
#else
#define GROUPVIT_HOST_DEVICE
#endif

// Only where device code is generated: host compilers, nvcc's own included, do not know the pragma.
#if defined(__CUDA_ARCH__)
#define GROUPVIT_UNROLL _Pragma("unroll")
#define GROUPVIT_UNROLL_BY_4 _Pragma("unroll 4")
#else
#define GROUPVIT_UNROLL
#define GROUPVIT_UNROLL_BY_4
#endif
