// `GroupingAttention` as a TensorRT plugin (IPluginV3), for TensorRT 10 and newer.
//
// Name "GroupingAttention", version "1", namespace "groupvit"; attribute `eps` (float, required, positive).
//
//   inputs   query [B, G, C], tokens [B, N, C], bias [B, G]; all float32, all float16 or all bfloat16, linear
//   outputs  means [B, G, C] float32, soft [B, G, N] float32, index [B, N] int64, count [B, G] float32
//
// Load the library with IPluginRegistry::loadLibrary(), or with the system's loader and then call
// groupvit_register_tensorrt_plugin() once before an engine is built or deserialized.
#pragma once

#include <NvInfer.h>

#include <cstdint>

#if NV_TENSORRT_MAJOR < 10
#error "IPluginV3 and int64 outputs need TensorRT 10 or newer"
#endif

namespace groupvit::tensorrt {

class GroupingAttentionPlugin final : public nvinfer1::IPluginV3,
                                      public nvinfer1::IPluginV3OneCore,
                                      public nvinfer1::IPluginV3OneBuild,
                                      public nvinfer1::IPluginV3OneRuntime {
 public:
  explicit GroupingAttentionPlugin(float eps) noexcept;

  // IPluginV3
  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3* clone() noexcept override;

  // IPluginV3OneCore
  nvinfer1::AsciiChar const* getPluginName() const noexcept override;
  nvinfer1::AsciiChar const* getPluginVersion() const noexcept override;
  nvinfer1::AsciiChar const* getPluginNamespace() const noexcept override;

  // IPluginV3OneBuild
  int32_t getNbOutputs() const noexcept override;
  int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const* inputs, int32_t input_count,
                          nvinfer1::DynamicPluginTensorDesc const* outputs, int32_t output_count) noexcept override;
  bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
                                 int32_t input_count, int32_t output_count) noexcept override;
  int32_t getOutputDataTypes(nvinfer1::DataType* output_types, int32_t output_count,
                             nvinfer1::DataType const* input_types, int32_t input_count) const noexcept override;
  int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count,
                          nvinfer1::DimsExprs const* shape_inputs, int32_t shape_input_count,
                          nvinfer1::DimsExprs* outputs, int32_t output_count,
                          nvinfer1::IExprBuilder& builder) noexcept override;

  // IPluginV3OneRuntime
  int32_t onShapeChange(nvinfer1::PluginTensorDesc const* inputs, int32_t input_count,
                        nvinfer1::PluginTensorDesc const* outputs, int32_t output_count) noexcept override;
  int32_t enqueue(nvinfer1::PluginTensorDesc const* input_descriptions,
                  nvinfer1::PluginTensorDesc const* output_descriptions, void const* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) noexcept override;
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
  nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override;

 private:
  float eps_;
  // Point into this object, and so are made anew by every clone.
  nvinfer1::PluginField field_;
  nvinfer1::PluginFieldCollection fields_;
};

class GroupingAttentionCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  GroupingAttentionCreator() noexcept;

  nvinfer1::AsciiChar const* getPluginName() const noexcept override;
  nvinfer1::AsciiChar const* getPluginVersion() const noexcept override;
  nvinfer1::AsciiChar const* getPluginNamespace() const noexcept override;
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override;

  // Null, with a line in the log, where `eps` is missing or not positive.
  nvinfer1::IPluginV3* createPlugin(nvinfer1::AsciiChar const* name, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;

 private:
  nvinfer1::PluginField field_;
  nvinfer1::PluginFieldCollection fields_;
};

}  // namespace groupvit::tensorrt

#if defined(_WIN32)
#define GROUPVIT_PLUGIN_API extern "C" __declspec(dllexport)
#else
#define GROUPVIT_PLUGIN_API extern "C" __attribute__((visibility("default")))
#endif

// What IPluginRegistry::loadLibrary() looks for.
GROUPVIT_PLUGIN_API void setLoggerFinder(nvinfer1::ILoggerFinder* finder);
GROUPVIT_PLUGIN_API nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count);

// Register the plugin by hand. Returns false if it is registered already.
GROUPVIT_PLUGIN_API bool groupvit_register_tensorrt_plugin();
