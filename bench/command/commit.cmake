# cmake -DSOURCE=FOLDER -DOUT=FILE -P commit.cmake: makes FILE a source with the
# commit that FOLDER is at now. A file that says so already is not touched, so
# nothing is compiled again for it.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
                ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
set(text "// Written by commit.cmake.
namespace ebb::tools {
extern const char kCommit[];
const char kCommit[] = \"${commit}\";
}  // namespace ebb::tools
")
set(before "")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${OUT} "${text}")
endif()
