# What `cmake --install` puts where, and the Debian packages that `cpack` makes
# of it: `ebb`, the programs, and `libebb-dev`, the client library.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The client library as one shared object that holds all it needs of ebb and
# shows only what client.h declares, so that a user's program links with
# nothing else of ebb's, and gRPC and Protocol Buffers stay out of its way.
add_library(ebb_shared SHARED ${PROJECT_SOURCE_DIR}/client/client.cc)
set_target_properties(ebb_shared PROPERTIES
  OUTPUT_NAME ebb EXPORT_NAME client
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_link_libraries(ebb_shared
  PRIVATE ebb_flags ebb::client_job_loop ebb::common_daemon
          ebb::common_rpc_admin ebb::common_rpc_convert
          ebb::common_rpc_grpc_transport
  PUBLIC absl::status absl::statusor absl::strings absl::time)
target_link_options(ebb_shared PRIVATE LINKER:--exclude-libs,ALL)
target_compile_features(ebb_shared INTERFACE cxx_std_20)
target_include_directories(ebb_shared INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ebb)
install(TARGETS ebb_shared EXPORT ebbTargets COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/client/client.h
              ${PROJECT_SOURCE_DIR}/models/plugin_api.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ebb COMPONENT development)
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
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/client
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development)

foreach(program ebb ebb-ps ebb-scheduler ebb-worker)
  if(TARGET ${program})
    install(TARGETS ${program} COMPONENT programs)
  endif()
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/jobs
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/tools/ebb/completion.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME ebb COMPONENT programs OPTIONAL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR ebb)
set(CPACK_PACKAGE_CONTACT "the maintainers of ebb")
set(CPACK_COMPONENTS_ALL programs development)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME ebb)
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION ${PROJECT_DESCRIPTION})
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libebb-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS libabsl-dev)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "Train jobs of ebb in a C++ loop of one's own")
include(CPack)
