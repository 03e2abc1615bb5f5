# The man page and the completions of bash, zsh and fish, written from the program's own tables.
set(manual ${CMAKE_SOURCE_DIR}/scripts/make-manual)
foreach(part "man;share/man/man1/ucid.1;${CMAKE_INSTALL_MANDIR}/man1"
             "bash;share/bash-completion/completions/ucid;${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
             "zsh;share/zsh/site-functions/_ucid;${CMAKE_INSTALL_DATADIR}/zsh/site-functions"
             "fish;share/fish/vendor_completions.d/ucid.fish;${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
  list(GET part 0 kind)
  list(GET part 1 file)
  list(GET part 2 destination)
  set(file ${CMAKE_BINARY_DIR}/${file})
  cmake_path(GET file PARENT_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${file} DEPENDS ucid_cli ${manual} VERBATIM
    COMMAND ${Python3_EXECUTABLE} ${manual} $<TARGET_FILE:ucid_cli> ${kind} > ${file}.new
    COMMAND ${CMAKE_COMMAND} -E rename ${file}.new ${file})
  list(APPEND written ${file})
  install(FILES ${file} DESTINATION ${destination})
endforeach()
add_custom_target(manual ALL DEPENDS ${written})
