# EBB_PRECOMPILE: compiles the headers that most files include once. The presets dev
# and tidy do not, so that they find a file that lacks an #include.
#
#   ebb_precompile(TARGET)
#       TARGET begins with the headers of the variant that has its flags: those of a
#       test, or, in the sanitizers' builds, of a library that is optimised or not
#       (EBB_OPTIMISED). The optimiser of GCC takes longer for what is precompiled
#       than the compiler saves, so that only tests begin with it there: a test
#       takes 6 s instead of 9.
#
# A sum beside each variant (precompile.sh) tells ccache what is in it.
option(EBB_PRECOMPILE "Compile what most files include once" ON)

if(NOT EBB_PRECOMPILE)
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

# ebb_precompiled_variant(NAME HEADERS...)
function(ebb_precompiled_variant name)
  if(name MATCHES "_test$")
    add_executable(${name} EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/precompiled.cc)
    set_target_properties(${name} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  else()
    add_library(${name} STATIC EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/precompiled.cc)
  endif()
  target_precompile_headers(${name} PRIVATE ${ARGN})
  target_link_libraries(${name} PRIVATE ebb_flags)
  set_target_properties(${name} PROPERTIES
    CXX_COMPILER_LAUNCHER ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/precompile.sh)
endfunction()
ebb_precompiled_variant(ebb_precompiled_test
  ${EBB_OFTEN_INCLUDED} <gmock/gmock.h> <gtest/gtest.h>)
ebb_test_flags(ebb_precompiled_test)
if(EBB_SANITIZE)
  ebb_precompiled_variant(ebb_precompiled ${EBB_OFTEN_INCLUDED})
  set_target_properties(ebb_precompiled PROPERTIES EBB_OPTIMISED ON)
  ebb_precompiled_variant(ebb_precompiled_unoptimised
    ${EBB_OFTEN_INCLUDED} <CLI/CLI.hpp>)
endif()

# Leaves out the name of the header itself. CMake adds it for compilers that would
# not find it precompiled, and ccache does not know it to be a path.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -Xclang -include-pch -Xclang <PCH_FILE>)
endif()

function(ebb_precompile target)
  get_target_property(type ${target} TYPE)
  get_target_property(optimised ${target} EBB_OPTIMISED)
  if(type STREQUAL "EXECUTABLE")
    target_precompile_headers(${target} REUSE_FROM ebb_precompiled_test)
  elseif(NOT EBB_SANITIZE OR NOT type MATCHES "^(STATIC|SHARED)_LIBRARY$")
    return()
  elseif(optimised)
    target_precompile_headers(${target} REUSE_FROM ebb_precompiled)
  else()
    target_precompile_headers(${target} REUSE_FROM ebb_precompiled_unoptimised)
  endif()
endfunction()
