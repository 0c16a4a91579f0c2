# Every CMakeLists.txt of ebb is written with these functions. There are no
# directory-wide flags: a target gets the flags that it needs from `ebb_flags`.
#
#   ebb_library(NAME SRCS a.cc HDRS a.h DEPS ebb::b absl::status [ALONE c.cc])
#       A static library `NAME`, alias `ebb::NAME`. Header-only without sources.
#       ALONE: sources that are never compiled together with others (unity.cmake).
#   ebb_test(NAME SRCS a_test.cc DEPS ebb::a [LABEL unit] [TIMEOUT 60] [ARGS ..] [ALONE])
#       Tests by GoogleTest, run by ctest. The tests of a folder are compiled
#       together (join_tests.cmake). With ALONE, or with ARGS, they are a program
#       of their own: build/tests/NAME.
#       LABEL: unit (default), sim, integration, stress, lint. A second label adds
#       a sanitizer:
#       `tsan` runs a test with more than one thread under ThreadSanitizer.
#       `asan` runs a test that is not a unit test under AddressSanitizer, too.
#       The target tests_LABEL builds all the tests of one label.
#
#   ebb_test_objects(NAME SRCS a_test.cc DEPS ebb::a)
#       Tests that several programs run: each has NAME among its DEPS, and ALONE.
#
#   ebb_fuzz_test(NAME SRCS a_fuzz.cc DEPS ebb::a CORPUS dir)
#       An LLVMFuzzerTestOneInput. ctest runs it over the files of CORPUS
#       (label fuzz); with the preset `asan` it is a libFuzzer program, for
#       .ci/fuzz.
#   ebb_benchmark(NAME SRCS a_benchmark.cc DEPS ebb::a)
#       A Google Benchmark program in build/benchmarks.
#   ebb_program(NAME SRCS main.cc DEPS ..)
#       An executable in build/bin; the target `programs` builds all of them.
#   ebb_proto_library(NAME PROTOS a.proto [GRPC])
#       Generated messages (and stubs), included as "ebb/v1/a.pb.h"; the
#       target generated_sources makes the files of all of them.

option(EBB_WERROR "Treat warnings as errors" ON)
set(EBB_SANITIZE "" CACHE STRING
    "Sanitizers, as -fsanitize takes them: thread, or address,undefined")

# The kernels that gain from more than -O2 ask for it themselves. Only Release
# compiles without assertions.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")

# Folders, as a regular expression, that no example and no value passes while a job
# trains: for these, for programs and for what protoc makes, Release stops at -O1,
# which takes two thirds of the time to compile.
set(EBB_RARELY_RUN_FOLDERS
    common/program|job|sweep|tools|scheduler/store|workloads/[^/]*/(rules|tools))

# ccache hashes paths below the source folder relative to the build folder, so a
# second clone hits what the first one compiled. CCACHE_DEPEND spares a miss the
# preprocessor's run (12 % of a file that includes gRPC).
find_program(EBB_CCACHE ccache)
if(EBB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_DEPEND=1 CCACHE_PCH_EXTSUM=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${EBB_CCACHE})
endif()

# Folders, as a regular expression, that the sanitizers' builds optimise.
set(EBB_OPTIMISED_FOLDERS
    common/filters|data|models|optimizer|server/rows|sim|workloads/[^/]*/model)
set(EBB_SANITIZER_FLAGS)
set(EBB_SANITIZER_ENVIRONMENT)
set(EBB_LIBRARY_TYPE STATIC)
if(EBB_SANITIZE)
  # With a copy of the libraries in each test, the tests took 15 GiB of disk.
  set(EBB_LIBRARY_TYPE SHARED)
  set(EBB_SANITIZER_FLAGS -fsanitize=${EBB_SANITIZE}
                          -fno-sanitize-recover=all -g1
                          $<IF:$<BOOL:$<TARGET_PROPERTY:EBB_OPTIMISED>>,-O1,-O0>)
  # Only the libraries that compute are optimised (EBB_OPTIMISED): optimising the
  # sanitizers' code in the others takes as long again as all the rest. The
  # packaged gRPC and Abseil are not instrumented: without the first option TSan
  # reports false races inside them.
  set(EBB_SANITIZER_ENVIRONMENT
      TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan_suppressions.txt
      ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
      UBSAN_OPTIONS=print_stacktrace=1)
endif()

add_library(ebb_flags INTERFACE)
target_include_directories(ebb_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_options(ebb_flags INTERFACE
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
  -Werror=unused-result -Werror=return-type -fno-omit-frame-pointer
  $<$<BOOL:${EBB_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Werror=thread-safety>
  ${EBB_SANITIZER_FLAGS})
target_compile_definitions(ebb_flags INTERFACE
  $<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)
target_link_options(ebb_flags INTERFACE ${EBB_SANITIZER_FLAGS})
find_program(EBB_LLD ld.lld)
if(EBB_LLD)
  target_link_options(ebb_flags INTERFACE -fuse-ld=lld)
endif()

# Marks what is compiled faster, because it does not run often.
function(ebb_rarely_run target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# The code of a test itself is little work for the processor, and much for the
# optimiser: half of the time that the test takes to compile.
function(ebb_test_flags target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O0>)
endfunction()

include(precompile)
include(unity)
include(join_tests)

# `output` becomes SomeName for some_name: what a file of that name defines.
function(ebb_function_word output name)
  string(REPLACE "_" ";" words ${name})
  set(joined)
  foreach(word IN LISTS words)
    string(SUBSTRING ${word} 0 1 initial)
    string(TOUPPER ${initial} initial)
    string(SUBSTRING ${word} 1 -1 rest)
    string(APPEND joined ${initial}${rest})
  endforeach()
  set(${output} ${joined} PARENT_SCOPE)
endfunction()

add_custom_target(programs)
add_custom_target(generated_sources)

# Makes tests_LABEL build `target`, for each of its labels.
function(ebb_add_to_label_targets target)
  foreach(label IN LISTS ARGN)
    if(NOT TARGET tests_${label})
      add_custom_target(tests_${label})
    endif()
    add_dependencies(tests_${label} ${target})
  endforeach()
endfunction()
foreach(label unit sim integration stress fuzz asan tsan)
  add_custom_target(tests_${label})  # Exist even while no test has the label.
endforeach()

function(ebb_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;ALONE;HDRS;DEPS" ${ARGN})
  # A header that a source of the same name includes first (check_layers.py
  # checks this) compiles alone. CMake verifies the others.
  set(headers)
  set(headers_alone)
  foreach(header IN LISTS ARG_HDRS)
    string(REGEX REPLACE "\\.h$" ".cc" source ${header})
    if(source IN_LIST ARG_SRCS OR source IN_LIST ARG_ALONE)
      list(APPEND headers ${header})
    else()
      list(APPEND headers_alone ${header})
    endif()
  endforeach()
  if(ARG_SRCS OR ARG_ALONE)
    ebb_join_sources(sources ${name} ${ARG_SRCS})
    set(type ${EBB_LIBRARY_TYPE})
    # GoogleTest is a static library. In a shared one it would be a second copy,
    # whose flags a program destroys twice.
    if(ARG_DEPS MATCHES "GTest::|testing")
      set(type STATIC)
    endif()
    add_library(${name} ${type} ${sources} ${ARG_ALONE})
    # The sources of a shared library need no macro to know it by.
    set_target_properties(${name} PROPERTIES DEFINE_SYMBOL "")
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(ebb::${name} ALIAS ${name})
  target_sources(${name} ${scope} FILE_SET HEADERS
                 BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  if(headers_alone)
    target_sources(${name} ${scope} FILE_SET headers_alone TYPE HEADERS
                   BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers_alone})
    set_target_properties(${name} PROPERTIES
      VERIFY_INTERFACE_HEADER_SETS ON
      INTERFACE_HEADER_SETS_TO_VERIFY headers_alone)
  endif()
  target_link_libraries(${name} ${scope} ebb_flags ${ARG_DEPS})
  # The folder of the first file: a side of a workload has no CMakeLists.txt.
  set(files ${ARG_SRCS} ${ARG_ALONE} ${ARG_HDRS})
  list(GET files 0 folder)
  cmake_path(ABSOLUTE_PATH folder)
  cmake_path(GET folder PARENT_PATH folder)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${folder})
  if(folder MATCHES "^(${EBB_OPTIMISED_FOLDERS})(/|$)")
    set_target_properties(${name} PROPERTIES EBB_OPTIMISED ON)
  endif()
  if(folder MATCHES "^(${EBB_RARELY_RUN_FOLDERS})(/|$)" AND scope STREQUAL "PUBLIC")
    ebb_rarely_run(${name})
  endif()
  ebb_precompile(${name})
endfunction()

function(ebb_program name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  list(FILTER ARG_SRCS EXCLUDE REGEX "\\.h$")
  ebb_join_sources(sources ${name} ${ARG_SRCS})
  add_executable(${name} ${sources})
  ebb_rarely_run(${name})  # It reads flags, and starts what others do.
  target_link_libraries(${name} PRIVATE ebb_flags ${ARG_DEPS})
  # For tools/package, whose tarball brings the libraries along. The loader uses
  # RPATH, unlike RUNPATH, also for the libraries of libraries. In the build tree,
  # CMake adds the folders of libraries that are not where the loader looks.
  set_target_properties(${name} PROPERTIES
    BUILD_RPATH "\$ORIGIN/../lib/ebb" INSTALL_RPATH "\$ORIGIN/../lib/ebb")
  target_link_options(${name} PRIVATE LINKER:--disable-new-dtags)
  add_dependencies(programs ${name})
endfunction()

function(ebb_benchmark name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks)
  target_link_libraries(${name} PRIVATE ebb_flags ${ARG_DEPS}
                        benchmark::benchmark_main)
endfunction()

# A program in build/tests, which the targets tests_LABEL build.
function(ebb_test_program name)
  cmake_parse_arguments(ARG "" "" "LABEL;SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ebb_flags ${ARG_DEPS} GTest::gmock)
  ebb_test_flags(${name})
  ebb_precompile(${name})
  ebb_add_to_label_targets(${name} ${ARG_LABEL})
endfunction()

function(ebb_test name)
  cmake_parse_arguments(ARG "ALONE" "TIMEOUT" "LABEL;SRCS;DEPS;ARGS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(EBB_SANITIZE)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")
  endif()
  if(unit IN_LIST ARG_LABEL AND NOT tsan IN_LIST ARG_LABEL)
    foreach(source IN LISTS ARG_SRCS)
      file(STRINGS ${source} threads REGEX "#include <thread>")
      if(threads)
        message(FATAL_ERROR "${source} has threads: give ${name} LABEL tsan")
      endif()
    endforeach()
  endif()
  if(EBB_UNITY AND NOT ARG_ALONE AND NOT ARG_ARGS)
    ebb_join_test(${name} SRCS ${ARG_SRCS} DEPS ${ARG_DEPS} LABEL ${ARG_LABEL})
  else()
    ebb_test_program(${name} SRCS ${ARG_SRCS} LABEL ${ARG_LABEL}
                     DEPS ${ARG_DEPS} GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}"
                       TIMEOUT ${ARG_TIMEOUT}
                       ENVIRONMENT "${EBB_SANITIZER_ENVIRONMENT}")
  ebb_note_test_sources(${ARG_SRCS})
endfunction()

function(ebb_test_objects name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} OBJECT ${ARG_SRCS})
  target_link_libraries(${name} PUBLIC ebb_flags ${ARG_DEPS} GTest::gmock)
  ebb_test_flags(${name})
  ebb_note_test_sources(${ARG_SRCS})
endfunction()

function(ebb_note_test_sources)
  foreach(source IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH source NORMALIZE)
    set_property(GLOBAL APPEND PROPERTY EBB_TEST_SOURCES ${source})
  endforeach()
endfunction()

# Checks that the interface of plugins in HEADER is C, for any compiler.
function(ebb_plugin_api name header)
  add_test(NAME ${name}
           COMMAND ${CMAKE_CXX_COMPILER} -x c -std=c99 -pedantic -Wall -Wextra
                   -Werror -fsyntax-only ${CMAKE_CURRENT_SOURCE_DIR}/${header})
  set_tests_properties(${name} PROPERTIES LABELS lint)
endfunction()

# Builds plugins for TEST from SOURCE with EBB_BROKEN_<HOW> defined, one for each
# of the words that follow: PREFIX_<how>.so in the folder EBB_TEST_PLUGINS.
function(ebb_broken_plugins test prefix source)
  set(folder ${CMAKE_BINARY_DIR}/tests/plugins)
  target_compile_definitions(${test} PRIVATE EBB_TEST_PLUGINS="${folder}")
  foreach(how IN LISTS ARGN)
    string(TOLOWER ${prefix}_${how} plugin)
    add_library(${plugin} MODULE ${source})
    target_link_libraries(${plugin} PRIVATE ebb_flags)
    target_compile_definitions(${plugin} PRIVATE EBB_BROKEN_${how})
    set_target_properties(${plugin} PROPERTIES
                          LIBRARY_OUTPUT_DIRECTORY ${folder})
    add_dependencies(${test} ${plugin})
  endforeach()
endfunction()

function(ebb_fuzz_test name)
  cmake_parse_arguments(ARG "" "CORPUS" "SRCS;DEPS" ${ARGN})
  cmake_path(ABSOLUTE_PATH ARG_CORPUS NORMALIZE)
  if(EBB_SANITIZE MATCHES fuzzer)
    add_executable(${name} ${ARG_SRCS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set(replay -runs=0 ${ARG_CORPUS})
  else()
    add_executable(${name} ${ARG_SRCS}
                   ${PROJECT_SOURCE_DIR}/cmake/fuzz_replay_main.cc)
    set(replay ${ARG_CORPUS})
  endif()
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_link_libraries(${name} PRIVATE ebb_flags ${ARG_DEPS})
  ebb_add_to_label_targets(${name} fuzz)
  add_test(NAME ${name} COMMAND ${name} ${replay})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300
                       ENVIRONMENT "${EBB_SANITIZER_ENVIRONMENT}")
endfunction()

# Fails the configuration when a *_test.cc belongs to no ebb_test. The glob is
# not CONFIGURE_DEPENDS, which costs every build a look at the whole tree:
# registering a test configures anew, and so does ./check.
function(ebb_require_all_tests_registered)
  get_property(registered GLOBAL PROPERTY EBB_TEST_SOURCES)
  foreach(folder IN LISTS EBB_FOLDERS)
    file(GLOB_RECURSE found ${PROJECT_SOURCE_DIR}/${folder}/*_test.cc)
    foreach(source IN LISTS found)
      if(NOT source IN_LIST registered)
        message(FATAL_ERROR "${source} is registered with no ebb_test()")
      endif()
    endforeach()
  endforeach()
endfunction()

# Protos stand below proto/, and sources include them by the path below it. Among
# the sanitizers only ThreadSanitizer instruments generated code, because it has
# to see all that synchronises: it takes up to a minute a file.
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
  ebb_join_generated(sources ${name} ${out} ${generated})
  add_library(${name} ${EBB_LIBRARY_TYPE} ${sources})
  ebb_rarely_run(${name})
  set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY "" DEFINE_SYMBOL "")
  add_custom_target(${name}_sources DEPENDS ${generated})
  add_dependencies(generated_sources ${name}_sources)
  add_library(ebb::${name} ALIAS ${name})
  target_include_directories(${name} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
  if(EBB_SANITIZE STREQUAL "thread")
    target_compile_options(${name} PRIVATE ${EBB_SANITIZER_FLAGS})
  endif()
endfunction()
