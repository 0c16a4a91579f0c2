# EBB_UNITY: the build compiles the sources of a library together, so that the
# compiler reads what they include once for all of them. In return, a change of
# one source compiles its neighbours, too. The presets dev and tidy compile each
# source alone, and so find a source that lacks an #include.
#
#   ebb_join_sources(OUTPUT NAME SOURCES...)
#       OUTPUT: what to compile instead of the sources, which are relative to
#       the current folder.
#
# (CMake has such a property, UNITY_BUILD, but writes absolute paths into what it
# makes, so that another clone would find nothing in ccache.)
option(EBB_UNITY "Compile sources of a library together" ON)

# At most so many at a time. Sixty sources of the scheduler took 96 s of CPU by
# eight, and 45 s as one; more at a time would save little, and leave cores idle.
set(EBB_UNITY_SOURCES 32)

function(ebb_join_sources output name)
  set(${output} ${ARGN} PARENT_SCOPE)
  list(LENGTH ARGN count)
  if(NOT EBB_UNITY OR count LESS 2)
    return()
  endif()
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  math(EXPR groups
       "(${count} + ${EBB_UNITY_SOURCES} - 1) / ${EBB_UNITY_SOURCES}")
  math(EXPR size "(${count} + ${groups} - 1) / ${groups}")
  set(joined)
  set(content)
  set(members 0)
  foreach(source IN LISTS ARGN)
    if(IS_ABSOLUTE ${source})  # Generated.
      list(APPEND joined ${source})
    else()
      string(APPEND content "#include \"${folder}/${source}\"\n")
      math(EXPR members "${members} + 1")
    endif()
    if(members EQUAL size)
      ebb_write_joined(${name} "${content}")
      set(content)
      set(members 0)
    endif()
  endforeach()
  if(content)
    ebb_write_joined(${name} "${content}")
  endif()
  set(${output} ${joined} PARENT_SCOPE)
endfunction()

# The same for what protoc made in the folder `root`: messages in one file, stubs in
# another. What each file of messages calls by the same name gets a name of its own.
function(ebb_join_generated output name root)
  set(${output} ${ARGN} PARENT_SCOPE)
  if(NOT EBB_UNITY)
    return()
  endif()
  set(messages)
  set(stubs)
  foreach(source IN LISTS ARGN)
    file(RELATIVE_PATH path ${root} ${source})
    string(MAKE_C_IDENTIFIER ${path} word)
    if(path MATCHES "\\.grpc\\.pb\\.cc$")
      string(APPEND stubs "#include \"${path}\"\n")
    elseif(path MATCHES "\\.pb\\.cc$")
      string(APPEND messages
             "#define schemas schemas_of_${word}\n"
             "#define file_default_instances instances_of_${word}\n"
             "#include \"${path}\"\n"
             "#undef schemas\n"
             "#undef file_default_instances\n")
    endif()
  endforeach()
  set(joined)
  ebb_write_joined(${name} "${messages}")
  if(stubs)
    ebb_write_joined(${name} "${stubs}")
  endif()
  set_source_files_properties(${joined} PROPERTIES OBJECT_DEPENDS "${ARGN}")
  set(${output} ${joined} PARENT_SCOPE)
endfunction()

# GCC 12 believes that others could include what is in a joined source
# (subobject-linkage), and that moved-from members of variants are uninitialised.
set(EBB_JOINED_PREFACE "\
#pragma GCC diagnostic ignored \"-Wsubobject-linkage\"
#pragma GCC diagnostic ignored \"-Wmaybe-uninitialized\"
")
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(EBB_JOINED_PREFACE)
endif()

# Appends a file with the content to the caller's list `joined`.
macro(ebb_write_joined name content)
  list(LENGTH joined number)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${name}_${number}.cc)
  file(CONFIGURE OUTPUT ${file} CONTENT "${EBB_JOINED_PREFACE}${content}" @ONLY)
  list(APPEND joined ${file})
endmacro()
