# TensorRT-RTX's headers and libraries, from its archive (TensorRTRtxSdk_ROOT), with the CUDA runtime. Makes
# groupvit::tensorrt_rtx_sdk.
find_path(TensorRTRtxSdk_INCLUDE_DIR NvInfer.h PATH_SUFFIXES include)
find_library(TensorRTRtxSdk_LIBRARY tensorrt_rtx)
find_library(TensorRTRtxSdk_PARSER_LIBRARY tensorrt_onnxparser_rtx)
find_package(CUDAToolkit QUIET)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRTRtxSdk REQUIRED_VARS TensorRTRtxSdk_LIBRARY TensorRTRtxSdk_PARSER_LIBRARY
  TensorRTRtxSdk_INCLUDE_DIR CUDAToolkit_FOUND)
if(TensorRTRtxSdk_FOUND AND NOT TARGET groupvit::tensorrt_rtx_sdk)
  add_library(groupvit::tensorrt_rtx_sdk UNKNOWN IMPORTED)
  set_target_properties(groupvit::tensorrt_rtx_sdk PROPERTIES
    IMPORTED_LOCATION ${TensorRTRtxSdk_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${TensorRTRtxSdk_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES "${TensorRTRtxSdk_PARSER_LIBRARY};CUDA::cudart")
endif()
mark_as_advanced(TensorRTRtxSdk_INCLUDE_DIR TensorRTRtxSdk_LIBRARY TensorRTRtxSdk_PARSER_LIBRARY)
