# A seed repeats exactly, also in another process: runs PROGRAM with the same
# seeds twice and compares all that it counted. What would differ is the order
# of a randomised hash map, an address, or the time of day.
#
#   cmake -DPROGRAM=ebb -DSEEDS=A..B -P replay_test.cmake
foreach(run first second)
  execute_process(COMMAND ${PROGRAM} sim --seeds ${SEEDS}
    OUTPUT_VARIABLE ${run} RESULT_VARIABLE result ERROR_VARIABLE errors)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "ebb sim --seeds ${SEEDS}: ${result}\n${errors}")
  endif()
  # How long it took may differ.
  string(REGEX REPLACE "events, [^,]+, " "events, " ${run} "${${run}}")
endforeach()
if(NOT first STREQUAL second)
  message(FATAL_ERROR
    "two runs of the same seeds differ:\n${first}\nand\n${second}")
endif()
