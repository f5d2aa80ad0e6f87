# ONNX Runtime's library, in any of the layouts it comes in: the wheel's folder (onnxruntime/capi), the release archives
# and vcpkg (lib/), Debian's package. Nothing is linked with it: it is what the build and the installed library load.
find_library(OnnxRuntimeSdk_LIBRARY NAMES onnxruntime libonnxruntime.so.1)
if(NOT OnnxRuntimeSdk_LIBRARY AND OnnxRuntimeSdk_ROOT)
  # The wheel has its version in the name, and no link.
  file(GLOB found ${OnnxRuntimeSdk_ROOT}/libonnxruntime.so.* ${OnnxRuntimeSdk_ROOT}/capi/libonnxruntime.so.*)
  if(found)
    list(GET found 0 found)
    set(OnnxRuntimeSdk_LIBRARY ${found} CACHE FILEPATH "ONNX Runtime's library" FORCE)
  endif()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntimeSdk REQUIRED_VARS OnnxRuntimeSdk_LIBRARY)
mark_as_advanced(OnnxRuntimeSdk_LIBRARY)
