# Usage: cmake -DNM=nm -DOBJECTS="a.o;b.o" -P check_kernel_symbols.cmake
#
# An object file compiled for a newer processor must define no function that
# another file may define too: the linker keeps one of them, and a machine
# without those instructions would run it. Weak functions (W) are such, unless
# they belong to the file's own copy of Eigen.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only --demangle ${object}
                  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "," symbols "${symbols}")
  string(REPLACE "\n" ";" symbols "${symbols}")
  foreach(line IN LISTS symbols)
    if(line MATCHES "^[0-9a-f]+ [Wi] " AND
       NOT line MATCHES "EbbEigen(Baseline|Avx2|Avx512)::")
      message(SEND_ERROR "${object} defines a shared symbol: ${line}")
    endif()
  endforeach()
endforeach()
