# EBB_UNITY also compiles the tests of a folder together, and links them into one
# program. Half of the time that a test takes goes into the headers that it includes.
# ctest still runs each of them alone, by its own name (joined_tests_main.cc).
#
#   ebb_join_test(NAME SRCS a_test.cc DEPS ebb::a LABEL unit)
#       Registers the test. `ninja NAME` builds the program that it is in.
#   ebb_add_joined_tests()
#       Adds the programs, once all tests are registered: build/tests/server_tests_0.

# About so many sources together. Ten of the servers' take 26 s of CPU together, and
# 53 s one by one.
set(EBB_JOINED_SOURCES 10)

function(ebb_join_test name)
  cmake_parse_arguments(ARG "" "" "LABEL;SRCS;DEPS" ${ARGN})
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX MATCH "^(tools/ebb|[^/]+)" folder ${folder})
  string(JOIN _ group ${folder} ${ARG_LABEL})
  string(REPLACE "_unit" "" group ${group})
  string(MAKE_C_IDENTIFIER ${group} group)
  get_property(before GLOBAL PROPERTY EBB_JOINED_${group})
  set_property(GLOBAL APPEND PROPERTY EBB_JOINED_${group} ${ARG_SRCS})
  list(LENGTH before count)
  math(EXPR number "${count} / ${EBB_JOINED_SOURCES}")
  set(program ${group}_tests_${number})
  get_property(programs GLOBAL PROPERTY EBB_JOINED)
  if(NOT program IN_LIST programs)
    set_property(GLOBAL APPEND PROPERTY EBB_JOINED ${program})
  endif()

  list(FILTER ARG_SRCS EXCLUDE REGEX "\\.h$")
  set(files)
  foreach(source IN LISTS ARG_SRCS)
    cmake_path(ABSOLUTE_PATH source)
    file(RELATIVE_PATH source ${PROJECT_SOURCE_DIR} ${source})
    set_property(GLOBAL APPEND PROPERTY EBB_JOINED_SOURCES_${program} ${source})
    list(APPEND files --file=${source})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY EBB_JOINED_DEPS_${program} ${ARG_DEPS})
  set_property(GLOBAL PROPERTY EBB_JOINED_LABELS_${program} ${ARG_LABEL})
  add_custom_target(${name} DEPENDS ${program})
  add_test(NAME ${name} COMMAND $<TARGET_FILE:${program}> ${files}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

function(ebb_add_joined_tests)
  get_property(programs GLOBAL PROPERTY EBB_JOINED)
  if(NOT programs)  # Without EBB_UNITY.
    return()
  endif()
  ebb_test_objects(joined_tests_main SRCS cmake/joined_tests_main.cc)
  foreach(program IN LISTS programs)
    get_property(sources GLOBAL PROPERTY EBB_JOINED_SOURCES_${program})
    get_property(deps GLOBAL PROPERTY EBB_JOINED_DEPS_${program})
    get_property(labels GLOBAL PROPERTY EBB_JOINED_LABELS_${program})
    list(REMOVE_DUPLICATES deps)
    set(joined ${CMAKE_BINARY_DIR}/joined_tests/${program}.cc)
    add_custom_command(OUTPUT ${joined}
      COMMAND cmake/join_tests.sh ${joined} ${sources}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      DEPENDS ${sources} cmake/join_tests.sh VERBATIM)
    ebb_test_program(${program} SRCS ${joined} LABEL ${labels}
                     DEPS joined_tests_main ${deps})
  endforeach()
  # A test whose file is named wrongly must not pass.
  list(GET programs 0 program)
  add_test(NAME joined_tests_of_no_file
           COMMAND ${program} --file=no_such_test.cc)
  set_tests_properties(joined_tests_of_no_file PROPERTIES LABELS unit
                       WILL_FAIL ON ENVIRONMENT "${EBB_SANITIZER_ENVIRONMENT}")
endfunction()
