// The part of TensorRT's ONNX parser that src/engines/tensorrt.cpp uses; see NvInfer.h.
#pragma once

#include "NvInfer.h"

namespace nvonnxparser {

class IParserRefitter {
 public:
  virtual bool refitFromBytes(void const* serializedOnnxModel, size_t serializedOnnxModelSize,
                              char const* modelPath = nullptr) noexcept = 0;
  virtual ~IParserRefitter() noexcept = default;
};

IParserRefitter* createParserRefitter(nvinfer1::IRefitter& refitter, nvinfer1::ILogger& logger) noexcept;

}  // namespace nvonnxparser
