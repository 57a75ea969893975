# Turns text files into a C++ source that holds their bytes: cmake -DSCRIPT=… -DRULES=… -DRUNS_SCRIPT=… -DRUNS_RULES=… -DOUT=… -P embed.cmake
# Raw string literals keep every byte; the delimiter must not occur in the text.
set(functions "")
foreach(pair SCRIPT:shell_script RULES:shell_rules RUNS_SCRIPT:runs_script RUNS_RULES:runs_rules)
  string(REPLACE ":" ";" pair "${pair}")
  list(GET pair 0 variable)
  list(GET pair 1 function)
  file(READ "${${variable}}" text)
  string(FIND "${text}" ")FAULTLINE\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${${variable}} holds the delimiter of the literal it is put into")
  endif()
  string(APPEND functions "
std::string_view ${function}() {
  return R\"FAULTLINE(${text})FAULTLINE\";
}
")
endforeach()
file(WRITE "${OUT}" "#include \"shell.hpp\"

namespace faultline::reports {
${functions}
}  // namespace faultline::reports
")
