# ONNX Runtime's headers and library, in any of the layouts it comes in: the release archives (include/ and lib/),
# Debian's package (include/onnxruntime/), and vcpkg's. Makes groupvit::onnxruntime_sdk.
find_path(OnnxRuntimeSdk_INCLUDE_DIR onnxruntime_cxx_api.h
  PATH_SUFFIXES include include/onnxruntime include/onnxruntime/core/session onnxruntime)
find_library(OnnxRuntimeSdk_LIBRARY NAMES onnxruntime libonnxruntime.so.1)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntimeSdk
  REQUIRED_VARS OnnxRuntimeSdk_LIBRARY OnnxRuntimeSdk_INCLUDE_DIR)
if(OnnxRuntimeSdk_FOUND AND NOT TARGET groupvit::onnxruntime_sdk)
  add_library(groupvit::onnxruntime_sdk UNKNOWN IMPORTED)
  set_target_properties(groupvit::onnxruntime_sdk PROPERTIES
    IMPORTED_LOCATION ${OnnxRuntimeSdk_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${OnnxRuntimeSdk_INCLUDE_DIR})
endif()
mark_as_advanced(OnnxRuntimeSdk_INCLUDE_DIR OnnxRuntimeSdk_LIBRARY)
