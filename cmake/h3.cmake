# libh3 4.5, static and in-tree: an installed one where there is one, else the C sources inside the sdist that PyPI
# serves. scripts/fetch-h3 puts the sdist into UCID_CACHE and checks its sha256.
find_package(h3 4.5 CONFIG QUIET)
if(NOT h3_FOUND)
  include(FetchContent)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/fetch-h3 OUTPUT_VARIABLE UCID_H3_SDIST
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  foreach(part TESTING FILTERS BENCHMARKS GENERATORS FUZZERS)
    set(BUILD_${part} OFF CACHE INTERNAL "")
  endforeach()
  foreach(part DOCS FORMAT LINTING)
    set(ENABLE_${part} OFF CACHE INTERNAL "")
  endforeach()
  set(BUILD_SHARED_LIBS OFF CACHE INTERNAL "")
  FetchContent_Declare(h3 URL ${UCID_H3_SDIST} SOURCE_SUBDIR src/h3lib DOWNLOAD_EXTRACT_TIMESTAMP ON
    URL_HASH SHA256=a1e279a1674fc799445c710e35bc4b1b388a406c881d8b5e59a9b8bebeb5bb43)
  FetchContent_GetProperties(h3)
  if(NOT h3_POPULATED)
    FetchContent_Populate(h3)
    add_subdirectory(${h3_SOURCE_DIR}/src/h3lib ${h3_BINARY_DIR} EXCLUDE_FROM_ALL)
  endif()
  add_library(h3::h3 ALIAS h3)
endif()
