# EBB_PRECOMPILE: compiles the headers that most files include once. The presets of the
# sanitizers set it. Other builds do not, so that they find a file that lacks an
# #include.
#
#   ebb_precompile(TARGET)
#       TARGET begins with the headers of the variant that has its flags:
#       optimised or not (EBB_OPTIMISED), of a library or of a program.
option(EBB_PRECOMPILE "Compile what most files include once" OFF)

if(EBB_PRECOMPILE AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "EBB_PRECOMPILE is for clang++")
elseif(NOT EBB_PRECOMPILE)
  function(ebb_precompile)
  endfunction()
  return()
endif()

# A definition or an option that differs from the variant's is an error. Some
# targets get these from what they link to; this must not matter.
target_compile_options(ebb_flags INTERFACE -pthread)
target_compile_definitions(ebb_flags INTERFACE GTEST_HAS_PTHREAD=1)

set(EBB_OFTEN_INCLUDED
  <algorithm> <array> <atomic> <cerrno> <chrono> <cmath> <condition_variable>
  <cstdint> <cstring> <deque> <filesystem> <fstream> <functional> <iostream>
  <limits> <map> <memory> <mutex> <numeric> <optional> <random> <set> <span>
  <string> <system_error> <thread> <unordered_map> <utility> <variant> <vector>
  <absl/container/flat_hash_map.h> <absl/functional/function_ref.h>
  <absl/status/statusor.h> <absl/strings/escaping.h> <absl/strings/match.h>
  <absl/strings/numbers.h> <absl/strings/str_cat.h> <absl/strings/str_format.h>
  <absl/strings/str_join.h> <absl/strings/str_split.h>
  <absl/strings/strip.h> <absl/time/clock.h>)

file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cc "int main() {}\n")
add_library(ebb_precompiled STATIC EXCLUDE_FROM_ALL
            ${CMAKE_BINARY_DIR}/precompiled.cc)
add_library(ebb_precompiled_unoptimised STATIC EXCLUDE_FROM_ALL
            ${CMAKE_BINARY_DIR}/precompiled.cc)
add_executable(ebb_precompiled_test EXCLUDE_FROM_ALL
               ${CMAKE_BINARY_DIR}/precompiled.cc)
target_precompile_headers(ebb_precompiled PRIVATE ${EBB_OFTEN_INCLUDED})
target_precompile_headers(ebb_precompiled_unoptimised
                          PRIVATE ${EBB_OFTEN_INCLUDED} <CLI/CLI.hpp>)
target_precompile_headers(ebb_precompiled_test PRIVATE ${EBB_OFTEN_INCLUDED}
                          <gmock/gmock.h> <gtest/gtest.h>)
foreach(variant ebb_precompiled ebb_precompiled_unoptimised
                ebb_precompiled_test)
  target_link_libraries(${variant} PRIVATE ebb_flags)
endforeach()
set_target_properties(ebb_precompiled PROPERTIES EBB_OPTIMISED ON)
set_target_properties(ebb_precompiled ebb_precompiled_unoptimised
                      ebb_precompiled_test PROPERTIES
  CXX_COMPILER_LAUNCHER ${CMAKE_CURRENT_LIST_DIR}/precompile.sh)

# Leaves out the name of the header itself. CMake adds it for compilers that would
# not find it precompiled, and ccache does not know it to be a path.
set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -Xclang -include-pch -Xclang <PCH_FILE>)

function(ebb_precompile target)
  get_target_property(type ${target} TYPE)
  get_target_property(optimised ${target} EBB_OPTIMISED)
  if(type STREQUAL "EXECUTABLE")
    target_precompile_headers(${target} REUSE_FROM ebb_precompiled_test)
  elseif(type MATCHES "^(STATIC|SHARED)_LIBRARY$" AND optimised)
    target_precompile_headers(${target} REUSE_FROM ebb_precompiled)
  elseif(type MATCHES "^(STATIC|SHARED)_LIBRARY$")
    target_precompile_headers(${target} REUSE_FROM ebb_precompiled_unoptimised)
  endif()
endfunction()
