// As much of TensorRT's public interface as src/engines/tensorrt.cpp uses, declared from its documentation
// (https://docs.nvidia.com/deeplearning/tensorrt/latest/_static/cpp-api/,
// https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/_static/cpp-api/), so that the engine is compiled where
// the SDK cannot be had. Nothing is linked against it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

extern "C" {
std::int32_t getInferLibMajorVersion() noexcept;
std::int32_t getInferLibMinorVersion() noexcept;
std::int32_t getInferLibPatchVersion() noexcept;
std::int32_t getInferLibBuildVersion() noexcept;
}

namespace nvinfer1 {

enum class DataType : std::int32_t {
  kFLOAT = 0,
  kHALF = 1,
  kINT8 = 2,
  kINT32 = 3,
  kBOOL = 4,
  kUINT8 = 5,
  kFP8 = 6,
  kBF16 = 7,
  kINT64 = 8,
  kINT4 = 9,
};

class Dims64 {
 public:
  static constexpr std::int32_t MAX_DIMS{8};
  std::int32_t nbDims;
  std::int64_t d[MAX_DIMS];
};
using Dims = Dims64;

class ILogger {
 public:
  enum class Severity : std::int32_t {
    kINTERNAL_ERROR = 0,
    kERROR = 1,
    kWARNING = 2,
    kINFO = 3,
    kVERBOSE = 4
  };
  virtual void log(Severity severity, char const* msg) noexcept = 0;
  virtual ~ILogger() = default;
};

class INoCopy {
 protected:
  INoCopy() = default;
  virtual ~INoCopy() = default;
  INoCopy(INoCopy const&) = delete;
  INoCopy& operator=(INoCopy const&) = delete;
};

class IHostMemory : public INoCopy {
 public:
  virtual ~IHostMemory() noexcept = default;
  void* data() const noexcept;
  std::size_t size() const noexcept;
};

class IExecutionContext : public INoCopy {
 public:
  virtual ~IExecutionContext() noexcept = default;
  std::int32_t getOptimizationProfile() const noexcept;
  bool setOptimizationProfileAsync(std::int32_t profileIndex, cudaStream_t stream) noexcept;
  bool setInputShape(char const* tensorName, Dims const& dims) noexcept;
  Dims getTensorShape(char const* tensorName) const noexcept;
  bool setTensorAddress(char const* tensorName, void* data) noexcept;
  bool enqueueV3(cudaStream_t stream) noexcept;
};

enum class ExecutionContextAllocationStrategy : std::int32_t {
  kSTATIC = 0,
  kON_PROFILE_CHANGE = 1,
  kUSER_MANAGED = 2
};

#ifdef GROUPVIT_TENSORRT_RTX
enum class DynamicShapesKernelSpecializationStrategy : std::int32_t { kLAZY = 0, kEAGER = 1, kNONE = 2 };
enum class CudaGraphStrategy : std::int32_t { kDISABLED = 0, kWHOLE_GRAPH_CAPTURE = 1 };
enum class EngineValidity : std::int32_t { kVALID = 0, kSUBOPTIMAL = 1, kINVALID = 2 };

class IRuntimeCache : public INoCopy {
 public:
  virtual ~IRuntimeCache() noexcept = default;
  IHostMemory* serialize() const noexcept;
  bool deserialize(void const* blob, std::size_t size) noexcept;
};

class IRuntimeConfig : public INoCopy {
 public:
  virtual ~IRuntimeConfig() noexcept = default;
  IRuntimeCache* createRuntimeCache() const noexcept;
  bool setRuntimeCache(IRuntimeCache const& cache) noexcept;
  void setDynamicShapesKernelSpecializationStrategy(
      DynamicShapesKernelSpecializationStrategy strategy) noexcept;
  bool setCudaGraphStrategy(CudaGraphStrategy strategy) noexcept;
};
#endif

class ICudaEngine : public INoCopy {
 public:
  virtual ~ICudaEngine() noexcept = default;
  std::int32_t getNbIOTensors() const noexcept;
  char const* getIOTensorName(std::int32_t index) const noexcept;
  DataType getTensorDataType(char const* tensorName) const noexcept;
  IExecutionContext* createExecutionContext(
      ExecutionContextAllocationStrategy strategy = ExecutionContextAllocationStrategy::kSTATIC) noexcept;
#ifdef GROUPVIT_TENSORRT_RTX
  IExecutionContext* createExecutionContext(IRuntimeConfig* runtimeConfig) noexcept;
  IRuntimeConfig* createRuntimeConfig() noexcept;
#endif
};

class IRuntime : public INoCopy {
 public:
  virtual ~IRuntime() noexcept = default;
  ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept;
  void setEngineHostCodeAllowed(bool allowed) noexcept;
#ifdef GROUPVIT_TENSORRT_RTX
  EngineValidity getEngineValidity(void const* blob, std::int64_t blobSize,
                                   std::uint64_t* diagnostics) const noexcept;
#endif
};

class IRefitter : public INoCopy {
 public:
  virtual ~IRefitter() noexcept = default;
  bool refitCudaEngine() noexcept;
};

IRuntime* createInferRuntime(ILogger& logger) noexcept;
IRefitter* createInferRefitter(ICudaEngine& engine, ILogger& logger) noexcept;

}  // namespace nvinfer1
