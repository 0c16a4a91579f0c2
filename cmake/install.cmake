# This file says what `cmake --install` puts where, and which Debian packages
# `cpack` makes of it: `ebb` has the programs; `libebb`, with the minor version in
# its name, the client library; `libebb-dev` the files to compile with it.
# `python3-ebb` is the Python package. `cmake --install` takes what `--target
# programs` builds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The client library is one shared object. It holds all it needs of ebb and shows
# only what client.h declares. So a user's program links only with this library,
# and gRPC and Protocol Buffers stay out of its way.
# (BUILD_INTERFACE keeps CMake from asking for our own libraries on export.)
# Until 1.0 each minor version may change the interface.
set(interface ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
add_library(ebb_shared SHARED ${PROJECT_SOURCE_DIR}/client/client.cc)
set_target_properties(ebb_shared PROPERTIES
  OUTPUT_NAME ebb EXPORT_NAME client VISIBILITY_INLINES_HIDDEN ON
  VERSION ${PROJECT_VERSION} SOVERSION ${interface})
target_link_libraries(ebb_shared
  PRIVATE $<BUILD_INTERFACE:ebb_flags>
          $<BUILD_INTERFACE:ebb::client_found_job>
          $<BUILD_INTERFACE:ebb::client_shell>
          $<BUILD_INTERFACE:ebb::common_daemon>
          $<BUILD_INTERFACE:ebb::rpc_admin>
          $<BUILD_INTERFACE:ebb::rpc_convert>
          $<BUILD_INTERFACE:ebb::rpc_grpc_transport>
  PUBLIC absl::status absl::statusor absl::strings absl::time)
target_link_options(ebb_shared PRIVATE LINKER:--exclude-libs,ALL)
target_compile_features(ebb_shared INTERFACE cxx_std_20)
add_dependencies(programs ebb_shared)

if(EBB_SANITIZE)
  return()  # These builds are only for tests.
endif()

install(TARGETS ebb ebb-advise ebb-bench ebb-ps ebb-scheduler ebb-sim ebb-sweep
                ebb-worker
        COMPONENT programs)
install(TARGETS ebb_shared EXPORT ebbTargets
        LIBRARY COMPONENT library NAMELINK_COMPONENT development
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ebb
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN *.h)

# find_package(ebb)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ebb)
install(EXPORT ebbTargets NAMESPACE ebb:: DESTINATION ${package}
        COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ebbConfig.cmake.in
  ${PROJECT_BINARY_DIR}/ebbConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ebbConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ebbConfig.cmake
              ${PROJECT_BINARY_DIR}/ebbConfigVersion.cmake
        DESTINATION ${package} COMPONENT development)

# For clients in other languages.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/ebb
        DESTINATION ${CMAKE_INSTALL_DATADIR}/ebb/proto COMPONENT development
        FILES_MATCHING PATTERN *.proto)

install(FILES ${PROJECT_SOURCE_DIR}/tools/ebb/main/completion.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME ebb COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs
        FILES_MATCHING PATTERN *.md PATTERN *.svg)
# All guides in one file.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(all_docs ${PROJECT_BINARY_DIR}/ebb-docs.md)
file(GLOB_RECURSE pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
add_custom_command(OUTPUT ${all_docs}
  COMMAND Python3::Interpreter -B ${PROJECT_SOURCE_DIR}/tools/join_docs.py
          ${all_docs}
  DEPENDS ${PROJECT_SOURCE_DIR}/tools/join_docs.py
          ${PROJECT_SOURCE_DIR}/README.md ${pages} VERBATIM)
add_custom_target(ebb_docs ALL DEPENDS ${all_docs})
add_dependencies(programs ebb_docs)
install(FILES ${all_docs} DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT programs)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/jobs
                  ${PROJECT_SOURCE_DIR}/examples/chaos
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/examples/README.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT programs)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/client
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/plugins
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development
        FILES_MATCHING PATTERN *.cc PATTERN *.md PATTERN *_test.cc EXCLUDE)

# Debian's folder for any Python 3.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/python/ebb
        DESTINATION lib/python3/dist-packages COMPONENT python
        FILES_MATCHING PATTERN *.py PATTERN py.typed
        PATTERN __pycache__ EXCLUDE PATTERN bin EXCLUDE PATTERN lib EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/python
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        COMPONENT python PATTERN __pycache__ EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR ebb)
set(CPACK_PACKAGE_CONTACT "the maintainers of ebb")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_COMPONENTS_ALL programs library development python)

# ebb_package(COMPONENT PACKAGE SECTION SUMMARY): each package has its own licence
# file, where Debian looks for it.
function(ebb_package component package section summary)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} RENAME copyright
          COMPONENT ${component})
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION ${summary} PARENT_SCOPE)
endfunction()
ebb_package(programs ebb science
            "Its scheduler, servers and workers, and the command ebb")
ebb_package(library libebb${interface} libs
            "Runs C++ programs that train jobs of ebb")
ebb_package(development libebb-dev libdevel
            "Train jobs of ebb in a C++ loop of one's own")
ebb_package(python python3-ebb python
            "Run and watch jobs of ebb from Python, and train in a Python loop")
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS library)
# The package and the programs are of one version.
set(CPACK_COMPONENT_PYTHON_DEPENDS programs)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.9), python3-numpy")
# apt installs recommended packages, too: these are 640, and take 3 GB.
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS
    "python3-torch, libopenblas0-pthread, python3-sklearn, python3-pandas"
    "python3-matplotlib")
list(JOIN CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS ", "
     CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SUGGESTS "dataset-fashion-mnist, python3-ebb")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS libabsl-dev)
include(CPack)
