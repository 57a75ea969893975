// The shell: the built script and style rules of the page's interactive half, embedded from reports/web/dist when this is compiled.
#pragma once

#include <string_view>

namespace faultline::reports {

std::string_view shell_script();
std::string_view shell_rules();

}  // namespace faultline::reports
