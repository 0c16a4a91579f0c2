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
