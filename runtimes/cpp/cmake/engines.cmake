# The engines: which SDKs are here, and one object library for each that is. Sets GROUPVIT_ENGINE_TARGETS and
# GROUPVIT_ENGINE_LIBRARIES, and tells src/engines/table.cpp by GROUPVIT_WITH_<ENGINE>=1.
set(GROUPVIT_ENGINE_TARGETS)
set(GROUPVIT_ENGINE_LIBRARIES)

# groupvit_engine(<NAME> <found> <source> <libraries> <what to do where it is not found>)
function(groupvit_engine name found source libraries remedy)
  string(TOLOWER ${name} lower)
  if(NOT found)
    if(GROUPVIT_WITH_${name} STREQUAL ON)
      message(FATAL_ERROR "GROUPVIT_WITH_${name} is ON, and its SDK was not found. ${remedy}")
    endif()
    message(STATUS "groupvit: without ${lower}")
    return()
  endif()
  add_library(groupvit_${lower} OBJECT ${source})
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
  "pip install openvino; python -c 'import openvino; print(openvino.__path__[0])' prints a folder whose cmake/ goes \
into -DOpenVINO_DIR=.")
