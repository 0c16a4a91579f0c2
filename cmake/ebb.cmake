# The four functions every CMakeLists.txt of ebb is written with. There are no
# directory-wide flags: what a target needs, it gets from `ebb_flags`.
#
#   ebb_library(NAME SRCS a.cc HDRS a.h DEPS ebb::b absl::status)
#       A static library `NAME`, alias `ebb::NAME`. Header-only without SRCS.
#   ebb_test(NAME SRCS a_test.cc DEPS ebb::a [LABEL unit] [TIMEOUT 60] [ARGS ..])
#       A GoogleTest program, run by ctest. LABEL: unit (default), sim,
#       integration, stress, lint.
#   ebb_program(NAME SRCS main.cc DEPS ..)
#       An executable in build/bin.
#   ebb_proto_library(NAME PROTOS a.proto [GRPC])
#       Generated messages (and stubs), included as "ebb/v1/a.pb.h".

option(EBB_WERROR "Treat warnings as errors" ON)
set(EBB_SANITIZE "" CACHE STRING
    "Sanitizers, as -fsanitize takes them: address,undefined or thread")

add_library(ebb_flags INTERFACE)
target_include_directories(ebb_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
target_compile_options(ebb_flags INTERFACE
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
  -Werror=unused-result -Werror=return-type -fno-omit-frame-pointer
  $<$<BOOL:${EBB_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Werror=thread-safety>)
if(EBB_SANITIZE)
  target_compile_options(ebb_flags INTERFACE -fsanitize=${EBB_SANITIZE} -g1)
  target_link_options(ebb_flags INTERFACE -fsanitize=${EBB_SANITIZE})
endif()

function(ebb_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;HDRS;DEPS" ${ARGN})
  set(headers ${ARG_HDRS})
  if(ARG_SRCS)
    add_library(${name} STATIC ${ARG_SRCS})
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(ebb::${name} ALIAS ${name})
  if(headers)
    target_sources(${name} ${scope} FILE_SET HEADERS
                   BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
    set_property(TARGET ${name} PROPERTY VERIFY_INTERFACE_HEADER_SETS ON)
  endif()
  target_link_libraries(${name} ${scope} ebb_flags ${ARG_DEPS})
endfunction()

function(ebb_program name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ebb_flags ${ARG_DEPS})
endfunction()

function(ebb_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SRCS;DEPS;ARGS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SRCS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ebb_flags ${ARG_DEPS} GTest::gmock
                        GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL}
                       TIMEOUT ${ARG_TIMEOUT})
  foreach(source IN LISTS ARG_SRCS)
    cmake_path(ABSOLUTE_PATH source NORMALIZE)
    set_property(GLOBAL APPEND PROPERTY EBB_TEST_SOURCES ${source})
  endforeach()
endfunction()

# Fails the configuration when a *_test.cc belongs to no ebb_test.
function(ebb_require_all_tests_registered)
  get_property(registered GLOBAL PROPERTY EBB_TEST_SOURCES)
  foreach(folder IN LISTS EBB_FOLDERS)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS
         ${PROJECT_SOURCE_DIR}/${folder}/*_test.cc)
    foreach(source IN LISTS found)
      if(NOT source IN_LIST registered)
        message(FATAL_ERROR "${source} is registered with no ebb_test()")
      endif()
    endforeach()
  endforeach()
endfunction()

# Protos stand below proto/ and are included by the path below it.
function(ebb_proto_library name)
  cmake_parse_arguments(ARG "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(root ${PROJECT_SOURCE_DIR}/proto)
  set(out ${PROJECT_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${out})
  foreach(proto IN LISTS ARG_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(products ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(flags --cpp_out=${out})
    if(ARG_GRPC)
      list(APPEND products ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND flags --grpc_out=${out}
           --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(OUTPUT ${products}
      COMMAND protobuf::protoc ${flags} -I ${root} ${root}/${proto}
      DEPENDS ${root}/${proto} VERBATIM)
    list(APPEND generated ${products})
  endforeach()
  add_library(${name} STATIC ${generated})
  add_library(ebb::${name} ALIAS ${name})
  target_include_directories(${name} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
  if(EBB_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${EBB_SANITIZE})
  endif()
endfunction()
