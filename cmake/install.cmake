# What `cmake --install` puts where: the library with its header, pkg-config and CMake files.
include(CMakePackageConfigHelpers)
set(UCID_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/ucid)

install(TARGETS ucid EXPORT ucid LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/ucid.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(EXPORT ucid NAMESPACE ucid:: FILE ucid-targets.cmake DESTINATION ${UCID_CMAKE_DIR})
file(WRITE ${CMAKE_BINARY_DIR}/ucid-config.cmake "include(\${CMAKE_CURRENT_LIST_DIR}/ucid-targets.cmake)\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ucid-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ucid-config.cmake ${CMAKE_BINARY_DIR}/ucid-config-version.cmake
  DESTINATION ${UCID_CMAKE_DIR})

# The prefix as seen from the file itself, so that an installed tree may be moved.
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(UCID_PC_PREFIX "\${pcfiledir}/${up}")
configure_file(cmake/ucid.pc.in ucid.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/ucid.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
