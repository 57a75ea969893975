# Turns two text files into a C++ source that holds their bytes: cmake -DSCRIPT=… -DRULES=… -DOUT=… -P embed.cmake
# Raw string literals keep every byte; the delimiter must not occur in the text.
foreach(name SCRIPT RULES)
  file(READ "${${name}}" text)
  string(FIND "${text}" ")FAULTLINE\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${${name}} holds the delimiter of the literal it is put into")
  endif()
  set(${name}_TEXT "${text}")
endforeach()
file(WRITE "${OUT}" "#include \"shell.hpp\"

namespace faultline::reports {

std::string_view shell_script() {
  return R\"FAULTLINE(${SCRIPT_TEXT})FAULTLINE\";
}

std::string_view shell_rules() {
  return R\"FAULTLINE(${RULES_TEXT})FAULTLINE\";
}

}  // namespace faultline::reports
")
