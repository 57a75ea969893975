// The shell: the built script and style rules of the interactive half of the report, and of the page of runs, embedded from reports/web/dist when this is compiled.
#pragma once

#include <string_view>

namespace faultline::reports {

std::string_view shell_script();
std::string_view shell_rules();
std::string_view runs_script();
std::string_view runs_rules();

}  // namespace faultline::reports
