# find_package(groupvit), pkg-config, headers and libraries.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/groupvit)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET groupvit)
  install(TARGETS groupvit EXPORT groupvitTargets)
  install(EXPORT groupvitTargets NAMESPACE groupvit:: DESTINATION ${package_folder})
endif()
if(TARGET groupvit_static)
  install(TARGETS groupvit_static EXPORT groupvitStaticTargets)
  install(EXPORT groupvitStaticTargets NAMESPACE groupvit:: DESTINATION ${package_folder})
  install(FILES cmake/FindTensorRTSdk.cmake cmake/FindTensorRTRtxSdk.cmake
          DESTINATION ${package_folder})
endif()

string(REPLACE "groupvit_" "" GROUPVIT_ENGINES "${GROUPVIT_ENGINE_TARGETS}")
configure_package_config_file(cmake/groupvitConfig.cmake.in groupvitConfig.cmake INSTALL_DESTINATION ${package_folder})
# 0.x: a minor version may break.
write_basic_package_version_file(groupvitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/groupvitConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/groupvitConfigVersion.cmake
        DESTINATION ${package_folder})

set(GROUPVIT_PRIVATE_LIBS)
foreach(library IN LISTS GROUPVIT_ENGINE_LIBRARIES)
  if(library STREQUAL openvino::runtime AND GROUPVIT_INSTALLED_OPENVINO)
    string(APPEND GROUPVIT_PRIVATE_LIBS
           " \${libdir}/groupvit/${GROUPVIT_INSTALLED_OPENVINO} -Wl,-rpath,\${libdir}/groupvit")
  elseif(TARGET ${library})
    string(APPEND GROUPVIT_PRIVATE_LIBS " $<TARGET_FILE:${library}>")
  else()
    string(APPEND GROUPVIT_PRIVATE_LIBS " -l${library}")
  endif()
endforeach()
file(RELATIVE_PATH GROUPVIT_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" GROUPVIT_PC_TO_PREFIX "${GROUPVIT_PC_TO_PREFIX}")
configure_file(cmake/groupvit.pc.in ${CMAKE_CURRENT_BINARY_DIR}/groupvit.pc.unresolved @ONLY)
file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/groupvit.pc INPUT ${CMAKE_CURRENT_BINARY_DIR}/groupvit.pc.unresolved)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/groupvit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
