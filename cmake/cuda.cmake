# EBB_CUDA: builds workers that compute on NVIDIA's devices (docs/gpu.md). AUTO:
# if CMake finds a CUDA toolkit that works; ON: it must; OFF: never. You need no
# CUDA to build or test ebb, and a program built with it starts without a driver
# and without cuBLAS.
#
# This file sets EBB_HAS_CUDA, and defines
#   ebb_cuda_object(OUTPUT SOURCE)
#       Compiles SOURCE by nvcc into an object, whose path is in OUTPUT. nvcc
#       compiles only kernels: enabling CMake's language CUDA would take
#       seconds of each configuration, and its host flags are not nvcc's.
set(EBB_CUDA AUTO CACHE STRING "Workers on GPU: AUTO, ON or OFF")
set_property(CACHE EBB_CUDA PROPERTY STRINGS AUTO ON OFF)
set(EBB_HAS_CUDA OFF)

# The oldest devices, the newest that the toolkits of 12.0 know, and PTX for
# later ones. The driver compiles PTX when it first needs it.
set(EBB_NVCC_FLAGS
  -std=c++20 -O3 --expt-relaxed-constexpr -Xcompiler=-fPIC
  -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90,code=sm_90
  -gencode=arch=compute_90,code=compute_90)

function(ebb_find_cuda)
  find_package(CUDAToolkit 12 QUIET)
  if(NOT CUDAToolkit_FOUND OR NOT TARGET CUDA::cudart_static)
    set(why "the CUDA toolkit, 12 or later, is not found")
  elseif(NOT EBB_CUDA_TRIED STREQUAL "${CUDAToolkit_NVCC_EXECUTABLE}")
    # Toolkits are particular about the host's compiler.
    set(trial ${CMAKE_BINARY_DIR}/cuda_trial.cu)
    file(WRITE ${trial} "#include <span>\n__global__ void Run() {}\n")
    execute_process(
      COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} -ccbin ${CMAKE_CXX_COMPILER}
              ${EBB_NVCC_FLAGS} -c ${trial} -o ${trial}.o
      RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
    if(result EQUAL 0)
      set(EBB_CUDA_TRIED "${CUDAToolkit_NVCC_EXECUTABLE}" CACHE INTERNAL "")
    else()
      set(why "${CUDAToolkit_NVCC_EXECUTABLE} fails: ${out}")
    endif()
  endif()
  if(NOT why)
    set(EBB_HAS_CUDA ON PARENT_SCOPE)
    message(STATUS "CUDA ${CUDAToolkit_VERSION}: workers can use GPUs")
  elseif(EBB_CUDA STREQUAL "ON")
    message(FATAL_ERROR "EBB_CUDA is ON, but ${why}")
  else()
    message(STATUS "Workers cannot use GPUs: ${why}")
  endif()
endfunction()

# The sanitizers do not work with code that nvcc compiles, nor with its libraries.
if(EBB_CUDA STREQUAL "ON" OR (EBB_CUDA STREQUAL "AUTO" AND NOT EBB_SANITIZE))
  ebb_find_cuda()
endif()
if(EBB_HAS_CUDA)
  find_package(CUDAToolkit 12 REQUIRED)  # Its targets are of a folder.
endif()

function(ebb_cuda_object output source)
  cmake_path(ABSOLUTE_PATH source NORMALIZE)
  cmake_path(GET source FILENAME name)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${CUDAToolkit_NVCC_EXECUTABLE}
            -ccbin ${CMAKE_CXX_COMPILER} ${EBB_NVCC_FLAGS}
            -I${PROJECT_SOURCE_DIR} -MD -MF ${object}.d -c ${source} -o
            ${object}
    DEPENDS ${source} DEPFILE ${object}.d VERBATIM
    COMMENT "Compiling ${name} by nvcc")
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON
                              GENERATED ON)
  set(${output} ${object} PARENT_SCOPE)
endfunction()
