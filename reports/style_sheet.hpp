// The page's one style sheet: palette and rules. The page's content security policy names its hash.
#pragma once

#include <string>

namespace faultline::reports {

std::string style_sheet();

}  // namespace faultline::reports
