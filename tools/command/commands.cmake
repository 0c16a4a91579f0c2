# The commands of a program, from the files that hold them.
#
#   ebb_commands(PROGRAM GROUP TITLE FOLDER.. [GROUP TITLE FOLDER..] ..)
#       PROGRAM gets the command of each FOLDER/NAME_command.cc, which defines
#       AddNameCommand (command.h). The folders call ebb_command_sources before.
#       TITLE is what `--help` writes above the commands of the folders; groups
#       are in the order given here, and their commands in that of the alphabet.
#   ebb_command_sources(OUTPUT)
#       OUTPUT: the sources NAME_command.cc of the current folder and of those in
#       it, for the library of its commands. With it, a new command is one new
#       file.
#   ebb_command_library(NAME SRCS .. HDRS .. DEPS ..)
#       The commands of a folder, and what they share: an ebb_library(). With
#       EBB_UNITY, all these are one library, tools_commands, and NAME is another
#       name of it. Each file read CLI11 for itself: ten of them took 209 s of CPU
#       to compile, and two take 50 s.
#   ebb_join_command_libraries()
#       Makes tools_commands, after the last ebb_command_library(). Called in
#       tools/ebb.
function(ebb_command_sources output)
  file(GLOB sources RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS
       *_command.cc */*_command.cc)
  list(SORT sources COMPARE FILE_BASENAME)
  set(${output} ${sources} PARENT_SCOPE)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set_property(GLOBAL PROPERTY EBB_COMMANDS_OF_${folder} ${sources})
endfunction()

function(ebb_commands program)
  set(declarations)
  set(calls)
  while(ARGN)
    list(POP_FRONT ARGN group title)
    set(files)
    while(ARGN)
      list(GET ARGN 0 folder)
      if(folder STREQUAL "GROUP")
        break()
      endif()
      list(POP_FRONT ARGN)
      get_property(found GLOBAL PROPERTY EBB_COMMANDS_OF_${folder})
      if(NOT found)
        message(FATAL_ERROR "${folder} has no ebb_command_sources() before this")
      endif()
      list(APPEND files ${found})
    endwhile()
    list(TRANSFORM files REPLACE "^.*/|_command\\.cc$" "")
    list(SORT files)
    set(nested)
    foreach(name IN LISTS files)
      string(REGEX REPLACE "_.*" "" parent ${name})
      ebb_function_word(word ${name})
      set(function Add${word}Command)
      string(APPEND declarations "void ${function}(CLI::App*, int*);\n")
      if(NOT parent STREQUAL name AND parent IN_LIST files)
        string(APPEND nested
               "  ${function}(app->get_subcommand(\"${parent}\"), exit_code);\n")
      else()
        string(APPEND calls "  ${function}(app, exit_code);\n")
      endif()
    endforeach()
    string(APPEND calls "  NameGroup(app, \"${title}\");\n${nested}")
  endwhile()
  configure_file(${PROJECT_SOURCE_DIR}/tools/command/commands.cc.in
                 ${CMAKE_CURRENT_BINARY_DIR}/${program}_commands.cc @ONLY)
  target_sources(${program} PRIVATE
                 ${CMAKE_CURRENT_BINARY_DIR}/${program}_commands.cc)
endfunction()

function(ebb_command_library name)
  if(NOT EBB_UNITY)
    ebb_library(${name} ${ARGN})
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SRCS;HDRS;DEPS" ${ARGN})
  foreach(part SRCS HDRS)
    foreach(file IN LISTS ARG_${part})
      cmake_path(ABSOLUTE_PATH file)
      cmake_path(RELATIVE_PATH file
                 BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/tools/ebb)
      set_property(GLOBAL APPEND PROPERTY EBB_COMMANDS_${part} ${file})
    endforeach()
  endforeach()
  set_property(GLOBAL APPEND PROPERTY EBB_COMMANDS_DEPS ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY EBB_COMMANDS_NAMES ${name})
endfunction()

function(ebb_join_command_libraries)
  foreach(part NAMES SRCS HDRS DEPS)
    get_property(${part} GLOBAL PROPERTY EBB_COMMANDS_${part})
  endforeach()
  if(NOT NAMES)
    return()
  endif()
  list(REMOVE_DUPLICATES DEPS)
  foreach(name IN LISTS NAMES)
    list(REMOVE_ITEM DEPS ebb::${name})
  endforeach()
  ebb_library(tools_commands SRCS ${SRCS} HDRS ${HDRS} DEPS ${DEPS})
  target_compile_definitions(tools_commands PRIVATE
                             EBB_VERSION="${PROJECT_VERSION}")
  foreach(name IN LISTS NAMES)
    add_library(ebb::${name} ALIAS tools_commands)
  endforeach()
endfunction()
