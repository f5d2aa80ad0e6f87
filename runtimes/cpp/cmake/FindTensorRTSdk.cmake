# TensorRT's headers and libraries, from its archive (TensorRTSdk_ROOT) or its packages, with the CUDA runtime. Makes
# groupvit::tensorrt_sdk.
find_path(TensorRTSdk_INCLUDE_DIR NvInfer.h PATH_SUFFIXES include)
find_library(TensorRTSdk_LIBRARY nvinfer)
find_library(TensorRTSdk_PARSER_LIBRARY nvonnxparser)
find_package(CUDAToolkit QUIET)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRTSdk REQUIRED_VARS TensorRTSdk_LIBRARY TensorRTSdk_PARSER_LIBRARY
  TensorRTSdk_INCLUDE_DIR CUDAToolkit_FOUND)
if(TensorRTSdk_FOUND AND NOT TARGET groupvit::tensorrt_sdk)
  add_library(groupvit::tensorrt_sdk UNKNOWN IMPORTED)
  set_target_properties(groupvit::tensorrt_sdk PROPERTIES
    IMPORTED_LOCATION ${TensorRTSdk_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${TensorRTSdk_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES "${TensorRTSdk_PARSER_LIBRARY};CUDA::cudart")
endif()
mark_as_advanced(TensorRTSdk_INCLUDE_DIR TensorRTSdk_LIBRARY TensorRTSdk_PARSER_LIBRARY)
