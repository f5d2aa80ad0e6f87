# The engines: which SDKs are here, and one object library for each that is. Sets GROUPVIT_ENGINE_TARGETS and
# GROUPVIT_ENGINE_LIBRARIES, and tells src/engines/table.cpp by GROUPVIT_WITH_<ENGINE>=1.
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
set(GROUPVIT_ENGINE_TARGETS)
set(GROUPVIT_ENGINE_LIBRARIES)

# groupvit_engine(<NAME> <found> "<sources>" <libraries> <what to do where it is not found>)
function(groupvit_engine name found sources libraries remedy)
  string(TOLOWER ${name} lower)
  if(NOT found)
    if(GROUPVIT_WITH_${name} STREQUAL ON)
      message(FATAL_ERROR "GROUPVIT_WITH_${name} is ON, and its SDK was not found. ${remedy}")
    endif()
    message(STATUS "groupvit: without ${lower}")
    return()
  endif()
  add_library(groupvit_${lower} OBJECT ${sources})
  target_include_directories(groupvit_${lower} PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_link_libraries(groupvit_${lower} PRIVATE groupvit_flags ${libraries})
  set_target_properties(groupvit_${lower} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_definitions(groupvit_objects PRIVATE GROUPVIT_WITH_${name}=1)
  set(GROUPVIT_ENGINE_TARGETS ${GROUPVIT_ENGINE_TARGETS} groupvit_${lower} PARENT_SCOPE)
  set(GROUPVIT_ENGINE_LIBRARIES ${GROUPVIT_ENGINE_LIBRARIES} ${libraries} PARENT_SCOPE)
  message(STATUS "groupvit: with ${lower}")
endfunction()

if(NOT GROUPVIT_WITH_OPENVINO STREQUAL OFF)
  find_package(OpenVINO QUIET COMPONENTS Runtime)
endif()
groupvit_engine(OPENVINO "${OpenVINO_FOUND}" src/engines/openvino.cpp openvino::runtime
  "pip install openvino; its folder cmake/ goes into -DOpenVINO_DIR=")

# Needs no SDK: its interface is in third_party/, and its library is loaded when a bundle first wants it.
if(NOT GROUPVIT_WITH_ONNXRUNTIME STREQUAL OFF)
  find_package(OnnxRuntimeSdk QUIET)
endif()
set(onnxruntime_buildable ${UNIX})
if(GROUPVIT_WITH_ONNXRUNTIME STREQUAL OFF OR (GROUPVIT_WITH_ONNXRUNTIME STREQUAL ON AND NOT OnnxRuntimeSdk_FOUND))
  set(onnxruntime_buildable FALSE)
endif()
groupvit_engine(ONNXRUNTIME "${onnxruntime_buildable}" "src/engines/onnxruntime.cpp;src/engines/onnxruntime_api.cpp"
  "${CMAKE_DL_LIBS}" "pip install onnxruntime; its folder onnxruntime/capi, or an unpacked archive, goes into -DOnnxRuntimeSdk_ROOT=")
if(TARGET groupvit_onnxruntime)
  target_include_directories(groupvit_onnxruntime SYSTEM PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../third_party/onnxruntime)
endif()

# Like ONNX Runtime: its library is loaded when a bundle first wants it, and its interface is in src/engines/litert_api.hpp.
if(NOT GROUPVIT_WITH_LITERT STREQUAL OFF)
  find_package(LiteRtSdk QUIET)
endif()
set(litert_buildable ${UNIX})
if(GROUPVIT_WITH_LITERT STREQUAL OFF OR (GROUPVIT_WITH_LITERT STREQUAL ON AND NOT LiteRtSdk_FOUND))
  set(litert_buildable FALSE)
endif()
groupvit_engine(LITERT "${litert_buildable}" "src/engines/litert.cpp;src/engines/litert_api.cpp;src/engines/litert_log.cpp"
  "${CMAKE_DL_LIBS}" "pip install ai-edge-litert; its folder ai_edge_litert goes into -DLiteRtSdk_ROOT=")

if(NOT GROUPVIT_WITH_TENSORRT STREQUAL OFF)
  find_package(TensorRTSdk QUIET)
endif()
if(NOT GROUPVIT_WITH_TENSORRT_RTX STREQUAL OFF)
  find_package(TensorRTRtxSdk QUIET)
endif()
if(TensorRTSdk_FOUND AND TensorRTRtxSdk_FOUND)
  # Both define the same functions and classes.
  if(GROUPVIT_WITH_TENSORRT STREQUAL ON AND GROUPVIT_WITH_TENSORRT_RTX STREQUAL ON)
    message(FATAL_ERROR "TensorRT and TensorRT-RTX cannot be in one library; build one for each")
  elseif(GROUPVIT_WITH_TENSORRT_RTX STREQUAL ON)
    set(TensorRTSdk_FOUND FALSE)
  else()
    set(TensorRTRtxSdk_FOUND FALSE)
  endif()
endif()
set(tensorrt_sources src/engines/cuda_memory.cpp src/engines/tensorrt.cpp)
groupvit_engine(TENSORRT "${TensorRTSdk_FOUND}" "${tensorrt_sources}" groupvit::tensorrt_sdk
  "Install CUDA and TensorRT's development package, or unpack its archive; its folder goes into -DTensorRTSdk_ROOT=")
groupvit_engine(TENSORRT_RTX "${TensorRTRtxSdk_FOUND}" "${tensorrt_sources};src/engines/runtime_cache.cpp"
  groupvit::tensorrt_rtx_sdk
  "Install CUDA and unpack the archive of TensorRT-RTX; its folder goes into -DTensorRTRtxSdk_ROOT=")
if(TARGET groupvit_tensorrt_rtx)
  target_compile_definitions(groupvit_tensorrt_rtx PRIVATE GROUPVIT_TENSORRT_RTX)
endif()

# C++20 in its headers.
if(NOT GROUPVIT_WITH_TORCH STREQUAL OFF)
  find_package(Torch QUIET)
endif()
groupvit_engine(TORCH "${Torch_FOUND}" "src/engines/torch.cpp;src/engines/unpacked_package.cpp;src/engines/scratch_folder.cpp" torch
  "pip install torch; what torch.utils.cmake_prefix_path says goes into -DCMAKE_PREFIX_PATH=")
if(TARGET groupvit_torch)
  set_target_properties(groupvit_torch PROPERTIES CXX_STANDARD 20)
  if(TARGET torch_cuda)
    find_package(CUDAToolkit REQUIRED)
    target_compile_definitions(groupvit_torch PRIVATE GROUPVIT_TORCH_CUDA)
    target_link_libraries(groupvit_torch PRIVATE CUDA::cudart)
    list(APPEND GROUPVIT_ENGINE_LIBRARIES CUDA::cudart)
  endif()
endif()
