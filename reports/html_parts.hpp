// The parts of the page, each of which writes one section or nothing.
#pragma once

#include <string>
#include <string_view>

#include <faultline/report.hpp>

#include "html_writer.hpp"

namespace faultline::reports {

// The contradiction with the values it is about set as code; the words stay as they are.
void write_sentence(HtmlWriter& html, const ReportInput& input);
void write_facts(HtmlWriter& html, const ReportInput& input);

// Timeline and longest legal prefix of one anomaly, side by side; the first one of a page comes with the primer. `id` is ours and unique in
// the page.
void write_evidence(HtmlWriter& html, const History& history, const Anomaly& anomaly, std::string_view id,
                    bool with_primer);
// What was exercised: where the counterexample would be. Nothing for an empty history.
void write_coverage(HtmlWriter& html, const ReportInput& input);
// What happened, sentence by sentence; nothing if nobody told.
void write_story(HtmlWriter& html, const ReportInput& input);
void write_reproduce(HtmlWriter& html, const ReportInput& input);
void write_minimal(HtmlWriter& html, const ReportInput& input);
void write_primer(HtmlWriter& html);
void write_others(HtmlWriter& html, const ReportInput& input);

void write_faults(HtmlWriter& html, const ReportInput& input);
void write_keys(HtmlWriter& html, const ReportInput& input);
void write_configuration(HtmlWriter& html, const ReportInput& input);
void write_remarks(HtmlWriter& html, const ReportInput& input);

}  // namespace faultline::reports
