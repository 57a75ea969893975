// The timeline of one anomaly and the overview of a whole history, as inline SVG that needs the page's style sheet.
#pragma once

#include <string_view>

#include <faultline/report.hpp>

#include "html_writer.hpp"

namespace faultline::reports {

struct Drawing {
  double width = 768;
  std::string_view id;          // ours, unique in the page
  std::string_view class_name;  // "wide" or "narrow": which screens show it
};

void draw_timeline(HtmlWriter& html, const History& history, const Anomaly& anomaly, const Drawing& drawing);
// Operations per bin by outcome, with the faults above and the contradiction marked. Draws nothing for an empty
// history.
void draw_overview(HtmlWriter& html, const ReportInput& input, const Drawing& drawing);

}  // namespace faultline::reports
