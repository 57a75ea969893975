// The one style sheet of a page: palette and rules. The page's content security policy names its hash.
#pragma once

#include <string>

namespace faultline::reports {

// Of a report.
std::string style_sheet();
// What every page has: colours, headings, tables, the verdict's header, print. Others add their own rules.
std::string page_style();

}  // namespace faultline::reports
