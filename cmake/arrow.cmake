# ucid_arrow: Arrow C++ with Parquet, of an installed package where there is one, else of the pyarrow wheel of the virtual
# environment, whose folder is UCID_ARROW_FOLDER.
enable_language(CXX)
find_package(Parquet CONFIG QUIET)
add_library(ucid_arrow INTERFACE)
if(Parquet_FOUND)
  target_link_libraries(ucid_arrow INTERFACE Arrow::arrow_shared Parquet::parquet_shared)
else()
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
      "import pyarrow as p;print(p.get_include(),p.get_library_dirs()[-1],p.cpp_build_info.so_version,sep=';')"
    OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "Arrow C++ is missing: run scripts/setup, or install libarrow, libparquet and their headers")
  endif()
  list(GET wheel 0 include)
  list(GET wheel 1 UCID_ARROW_FOLDER)
  list(GET wheel 2 version)
  target_include_directories(ucid_arrow SYSTEM INTERFACE ${include})
  foreach(name arrow parquet arrow_compute)
    target_link_libraries(ucid_arrow INTERFACE ${UCID_ARROW_FOLDER}/lib${name}.so.${version})
  endforeach()
endif()
