// What the formats of a campaign's report share: counts as words, states as words and glyphs.
#pragma once

#include <faultline/campaign_report.hpp>

#include <string>
#include <string_view>

namespace faultline::reports {

std::string_view state_word(FindingState state);  // "new", "again", "known", "overdue"
// "3 of 10 runs", "flaky: 3 of 10 runs", with the nights if there are any.
std::string rate_text(const CampaignFinding& finding);
std::string_view canary_word(const CampaignCanary& canary);  // "found", "not found", "not run"
// "47 min", "3.2 s"
std::string time_text(double seconds);
// "✓ 10", "✗ 2/10 ? 1": what became of the runs of a cell.
std::string cell_text(const CampaignCell& cell);
// good, bad, unknown, broken, known, planted: the tone of a cell.
std::string_view cell_tone(const CampaignCell& cell);
std::string_view verdict_tone(const CampaignReport& report);  // good, bad, unknown, broken

}  // namespace faultline::reports
