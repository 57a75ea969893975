#include "campaign_words.hpp"

#include <faultline/assert.hpp>

#include <fmt/format.h>

#include "words.hpp"

namespace faultline {

using namespace reports;

namespace reports {

std::string_view state_word(FindingState state) {
  switch (state) {
    case FindingState::fresh: return "new";
    case FindingState::again: return "again";
    case FindingState::known: return "known";
    case FindingState::overdue: return "overdue";
  }
  FL_ASSERT(false && "unknown state");
}

std::string rate_text(const CampaignFinding& finding) {
  std::string text =
      fmt::format("{}{} of {}", finding.flaky ? "flaky: " : "", finding.failed, counted(finding.runs, "run"));
  if (finding.nights > 0)
    text += fmt::format(", {} of {}", finding.nights_seen, counted(finding.nights, "earlier night"));
  return text;
}

std::string_view canary_word(const CampaignCanary& canary) {
  if (canary.found > 0) return "found";
  return canary.done == 0 ? "not run" : "not found";
}

std::string time_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string cell_text(const CampaignCell& cell) {
  std::string text;
  const auto add = [&](std::string_view glyph, std::size_t n) {
    if (n > 0) text += fmt::format("{}{} {}", text.empty() ? "" : "  ", glyph, n);
  };
  add("✗", cell.violated);
  add("!", cell.broken);
  add("?", cell.unknown);
  add("k", cell.known);
  add("✓", cell.valid);
  add("○", cell.idle);
  add("–", cell.not_run);
  return text;
}

std::string_view cell_tone(const CampaignCell& cell) {
  if (cell.violated > 0) return cell.canary ? "planted" : "bad";
  if (cell.broken > 0) return "broken";
  if (cell.unknown > 0 || cell.not_run > 0) return "unknown";
  return cell.known > 0 ? "known" : cell.canary ? "planted" : "good";
}

std::string_view verdict_tone(const CampaignReport& report) {
  const std::string verdict = campaign_verdict(report);
  return verdict == "violated" ? "bad" : verdict == "broken" ? "broken" : verdict == "clean" ? "good" : "unknown";
}

}  // namespace reports

CampaignCounts campaign_counts(const CampaignReport& report) {
  CampaignCounts counts;
  for (const CampaignCell& cell : report.cells) {
    counts.runs += cell.runs;
    counts.done += cell.runs - cell.not_run;
    counts.not_run += cell.not_run;
    counts.broken += cell.broken;
    if (cell.canary) continue;
    counts.valid += cell.valid;
    counts.violated += cell.violated;
    counts.known += cell.known;
    counts.unknown += cell.unknown;
    counts.idle += cell.idle;
  }
  // Of a part of the campaign only the whole can say.
  if (report.shard.empty()) {
    for (const CampaignCanary& canary : report.canaries) counts.canaries_missed += canary.found == 0 ? 1 : 0;
  }
  for (const CampaignFinding& finding : report.findings) counts.fresh += finding.state == FindingState::fresh ? 1 : 0;
  return counts;
}

int campaign_exit_code(const CampaignReport& report) {
  const CampaignCounts counts = campaign_counts(report);
  if (report.interrupted) return 130;
  if (counts.violated > 0) return 1;
  if (counts.broken > 0 || counts.canaries_missed > 0) return 3;
  if (counts.unknown > 0 || counts.not_run > 0) return 2;
  // A shard may be left without a run; a whole campaign without one has shown nothing.
  return counts.done == 0 && report.shard.empty() ? 2 : 0;
}

std::string campaign_verdict(const CampaignReport& report) {
  switch (campaign_exit_code(report)) {
    case 0: return "clean";
    case 1: return "violated";
    case 3: return "broken";
    case 130: return "interrupted";
    default: return "unknown";
  }
}

std::string campaign_headline(const CampaignReport& report) {
  const CampaignCounts counts = campaign_counts(report);
  std::size_t failures = 0;
  for (const CampaignFinding& finding : report.findings) failures += finding.state == FindingState::known ? 0 : 1;
  const std::string found = fmt::format("{}{}", counted(failures, "failure"),
                                        counts.fresh == 0          ? ""
                                        : counts.fresh == failures ? (failures == 1 ? ", new" : ", all new")
                                                                   : fmt::format(", {} new", counts.fresh));
  const std::string verdict = campaign_verdict(report);
  if (verdict == "violated") return "✗ " + found;
  if (verdict == "interrupted") return failures > 0 ? "✗ Interrupted; " + found : "? Interrupted";
  if (verdict == "broken") {
    std::string text = "! ";
    if (counts.canaries_missed > 0) text += counted(counts.canaries_missed, "planted bug") + " not found";
    if (counts.canaries_missed > 0 && counts.broken > 0) text += "; ";
    if (counts.broken > 0) text += counted(counts.broken, "run") + " broke";
    return text;
  }
  if (verdict == "clean") return "✓ Clean";
  if (counts.not_run == 0 && counts.unknown == 0) return "? Nothing was run";
  std::string text = "? ";
  if (counts.unknown > 0) text += counted(counts.unknown, "run") + " undecided";
  if (counts.unknown > 0 && counts.not_run > 0) text += "; ";
  if (counts.not_run > 0) text += counted(counts.not_run, "run") + " not done";
  return text;
}

std::string campaign_sentence(const CampaignReport& report) {
  const CampaignCounts counts = campaign_counts(report);
  const CampaignCoverage& c = report.coverage;
  std::string text = fmt::format("{} of {} {}: {} valid", grouped(counts.done), grouped(counts.runs),
                                 counts.runs == 1 ? "run" : "runs", grouped(counts.valid));
  const auto add = [&](std::size_t n, std::string_view what) {
    if (n > 0) text += fmt::format(", {} {}", grouped(n), what);
  };
  add(counts.violated, "violated");
  add(counts.known, "with a known failure");
  add(counts.unknown, "undecided");
  add(counts.idle, "whose faults did nothing");
  add(counts.broken, "broken");
  std::size_t planted = 0, found = 0, bit = 0, asked = 0;
  for (const CampaignCell& cell : report.cells) planted += cell.canary ? cell.runs - cell.not_run : 0;
  for (const CampaignCanary& canary : report.canaries) found += canary.found > 0 ? 1 : 0;
  for (const auto& [kind, fault] : c.faults) asked += fault.runs, bit += fault.bit;
  add(planted, "of planted bugs");
  text += fmt::format(". {} operations; faults asked for {} had an effect in {} of them", grouped(c.operations),
                      asked == 1 ? "once" : fmt::format("{} times", grouped(asked)),
                      percent(bit, std::max<std::size_t>(asked, 1)));
  if (!report.canaries.empty()) {
    text += report.shard.empty() ? fmt::format("; {} of {} planted {} found", found, report.canaries.size(),
                                               report.canaries.size() == 1 ? "bug was" : "bugs were")
                                 : "; whether the planted bugs were found, the merged result says";
  }
  return text + "." + (report.stopped.empty() ? "" : " " + spoken(report.stopped));
}

}  // namespace faultline
