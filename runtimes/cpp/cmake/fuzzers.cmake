# One program for each loader of files that come from elsewhere. With libFuzzer where the compiler is clang, with
# fuzz/standalone.cpp where it is not; with the address and undefined-behavior sanitizers either way.
#
#   CXX=clang++ cmake -S runtimes/cpp -B build/fuzz -DGROUPVIT_BUILD_FUZZERS=ON
#   cmake --build build/fuzz --target groupvit_fuzzers
#   build/fuzz/manifest_fuzz -max_total_time=600 found/ runtimes/cpp/fuzz/corpus/manifest
set(GROUPVIT_FUZZ_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  set(GROUPVIT_FUZZ_DRIVER)
  set(GROUPVIT_FUZZ_INSTRUMENTATION -fsanitize=fuzzer-no-link)
  set(GROUPVIT_FUZZ_LINK -fsanitize=fuzzer)
else()
  set(GROUPVIT_FUZZ_DRIVER fuzz/standalone.cpp)
endif()

add_library(groupvit_fuzzed OBJECT EXCLUDE_FROM_ALL ${GROUPVIT_TEXT_SOURCES})
target_link_libraries(groupvit_fuzzed PRIVATE groupvit_flags nlohmann_json::nlohmann_json)
target_compile_options(groupvit_fuzzed PRIVATE ${GROUPVIT_FUZZ_FLAGS} ${GROUPVIT_FUZZ_INSTRUMENTATION})
target_include_directories(groupvit_fuzzed PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/src)

add_custom_target(groupvit_fuzzers)
foreach(name manifest vocabulary tokenizer encode)
  add_executable(${name}_fuzz EXCLUDE_FROM_ALL
    fuzz/${name}_fuzz.cpp ${GROUPVIT_FUZZ_DRIVER} $<TARGET_OBJECTS:groupvit_fuzzed>)
  target_link_libraries(${name}_fuzz PRIVATE groupvit_flags)
  target_compile_options(${name}_fuzz PRIVATE ${GROUPVIT_FUZZ_FLAGS} ${GROUPVIT_FUZZ_INSTRUMENTATION})
  target_compile_definitions(${name}_fuzz PRIVATE
    GROUPVIT_FUZZ_TOKENIZER="${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/tokenizer/bytes.json")
  target_link_options(${name}_fuzz PRIVATE -fsanitize=address,undefined ${GROUPVIT_FUZZ_LINK})
  target_include_directories(${name}_fuzz PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/src)
  add_dependencies(groupvit_fuzzers ${name}_fuzz)
endforeach()
