// summary.md, junit.xml, annotations and the last lines on a terminal, for a campaign. The escapes are those of the single run's formats:
// code spans longer than any run of backticks in them, XML without what XML 1.0 forbids, workflow commands without line breaks.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "campaign_words.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t most_findings = 50, most_lines = 10, most_notes = 20, longest_markdown = 60'000;

std::string code(std::string_view text) {
  if (text.empty()) return {};
  std::size_t longest = 0, run = 0;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(longest + 1, '`');
  std::string body;
  for (const char c : harmless(text)) body += c == '|' ? std::string("\\|") : std::string(1, c);
  const bool space = body.front() == '`' || body.back() == '`';
  return fence + (space ? " " + body + " " : body) + fence;
}

std::string prose(std::string_view text) {
  constexpr std::string_view active = "\\`*_[]<>|~#$&@:";
  std::string out;
  for (const char c : spoken(text)) {
    if (active.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : spoken(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += c;
    }
  }
  for (const std::string_view forbidden : {"\xef\xbf\xbe", "\xef\xbf\xbf"}) {
    for (std::size_t at = out.find(forbidden); at != std::string::npos; at = out.find(forbidden, at))
      out.replace(at, 3, "?");
  }
  return out;
}

std::string command_text(std::string_view text, bool is_property) {
  std::string out;
  for (const char c : spoken(text)) {
    if (c == '%') {
      out += "%25";
    } else if (is_property && (c == ':' || c == ',')) {
      out += c == ':' ? "%3A" : "%2C";
    } else {
      out += c;
    }
  }
  return out;
}

std::string annotation(std::string_view level, std::string_view title, std::string_view message) {
  return fmt::format("::{} title={}::{}\n", level, command_text(title, true), command_text(message, false));
}

std::string title_of(const CampaignFinding& f) { return fmt::format("{} {} × {}", f.anomaly, f.target, f.workload); }

const CampaignFinding* finding_of(const CampaignReport& report, const CampaignCell& cell) {
  for (const CampaignFinding& f : report.findings) {
    const bool here = std::find(f.mixes.begin(), f.mixes.end(), cell.nemesis) != f.mixes.end();
    if (f.state != FindingState::known && f.target == cell.target && f.workload == cell.workload && here) return &f;
  }
  return nullptr;
}

std::string case_result(const CampaignReport& report, const CampaignCell& cell) {
  if (cell.canary) return {};
  if (cell.violated > 0) {
    const CampaignFinding* f = finding_of(report, cell);
    return f == nullptr ? fmt::format("      <failure type=\"violation\" message=\"{} of {} runs\"/>\n", cell.violated,
                                      cell.runs)
                        : fmt::format("      <failure type=\"{}\" message=\"{}\">{}\n{}</failure>\n", xml(f->anomaly),
                                      xml(f->sentence), xml(rate_text(*f)), xml(f->repro));
  }
  if (cell.broken > 0)
    return fmt::format("      <error type=\"harness\" message=\"{} of {} runs broke\"/>\n", cell.broken, cell.runs);
  if (cell.unknown + cell.not_run > 0)
    return fmt::format("      <skipped message=\"{} undecided, {} not done\"/>\n", cell.unknown, cell.not_run);
  if (cell.known > 0)
    return fmt::format("      <system-out>{} of {} runs with a known failure</system-out>\n", cell.known, cell.runs);
  return {};
}

std::string notes_text(std::string_view title, const std::vector<CampaignRunNote>& notes) {
  if (notes.empty()) return {};
  std::string text = fmt::format("\n### {}\n\n", title);
  for (std::size_t i = 0; i < std::min(notes.size(), most_notes); ++i)
    text += fmt::format("- {} {}\n", code(notes[i].run), prose(notes[i].text));
  if (notes.size() > most_notes) text += fmt::format("- and {} more\n", notes.size() - most_notes);
  return text;
}

std::string findings_text(const CampaignReport& report) {
  if (report.findings.empty()) return {};
  std::string text =
      "\n### Failures\n\n| | class | target × workload | seen | what | repeat |\n|---|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < std::min(report.findings.size(), most_findings); ++i) {
    const CampaignFinding& f = report.findings[i];
    std::string state(state_word(f.state));
    if (f.state == FindingState::overdue || f.state == FindingState::known) state += " until " + f.until;
    text += fmt::format("| {} | {} | {} | {} | {}{} | {} |\n", prose(state), code(f.anomaly),
                        prose(f.target + " × " + f.workload), rate_text(f), prose(cut(f.sentence, 200)),
                        f.first_failing.empty() ? "" : prose(" First failing: " + f.first_failing), code(f.repro));
  }
  if (report.findings.size() > most_findings)
    text += fmt::format("\nand {} more\n", report.findings.size() - most_findings);
  return text;
}

}  // namespace

std::string render_campaign_markdown(const CampaignReport& report) {
  std::string text = "## " + prose(campaign_headline(report)) + "\n\n" + prose(campaign_sentence(report)) + "\n" +
                     findings_text(report);
  std::vector<std::string> parts;
  if (!report.canaries.empty()) {
    std::string canaries = "\n### Planted bugs\n\n| planted | expected | found |\n|---|---|---|\n";
    for (const CampaignCanary& c : report.canaries)
      canaries += fmt::format("| {} | {} | {} in {} of {} |\n", code(c.name), code(c.expected), canary_word(c), c.found,
                              counted(c.runs, "run"));
    parts.push_back(canaries);
  }
  if (!report.gone.empty()) {
    std::string gone = "\n### Not seen any more\n\n";
    for (const CampaignGone& g : report.gone)
      gone += fmt::format("- {} {}\n", code(g.anomaly), prose(g.target + " × " + g.workload));
    parts.push_back(gone);
  }
  std::string cells = "\n### Matrix\n\n| target | workload | faults | runs |\n|---|---|---|---|\n";
  for (const CampaignCell& c : report.cells)
    cells += fmt::format("| {} | {} | {} | {} |\n", code(c.target), code(c.workload), code(c.nemesis), cell_text(c));
  parts.push_back(cells);
  parts.push_back(notes_text("Broken runs", report.broken));
  parts.push_back(notes_text("Undecided runs", report.unknowns));
  bool left_out = false;
  for (const std::string& part : parts) {
    const bool fits = text.size() + part.size() + 100 <= longest_markdown;
    left_out = left_out || !fits;
    if (fits) text += part;
  }
  return text + (left_out ? "\nMore than fits here is in index.html.\n" : "");
}

std::string render_campaign_junit(const CampaignReport& report) {
  std::size_t failures = 0, errors = 0, skipped = 0;
  std::string cases;
  for (const CampaignCell& cell : report.cells) {
    const std::string result = case_result(report, cell);
    failures += result.find("<failure") != std::string::npos ? 1 : 0;
    errors += result.find("<error") != std::string::npos ? 1 : 0;
    skipped += result.find("<skipped") != std::string::npos ? 1 : 0;
    cases += fmt::format("    <testcase classname=\"{}\" name=\"{}\">\n{}    </testcase>\n",
                         xml(cell.target + " × " + cell.workload), xml(cell.nemesis), result);
  }
  for (const CampaignCanary& c : report.canaries) {
    const bool missed = c.found == 0 && report.shard.empty();
    errors += missed ? 1 : 0;
    cases += fmt::format("    <testcase classname=\"planted bug\" name=\"{}\">\n{}    </testcase>\n", xml(c.name),
                         missed ? fmt::format("      <error type=\"canary\" message=\"{} was {}; expected {}\"/>\n",
                                              xml(c.name), canary_word(c), xml(c.expected))
                                : "");
  }
  const std::string counts =
      fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\"",
                  report.cells.size() + report.canaries.size(), failures, errors, skipped, report.seconds);
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"faultline\" {}>\n  <testsuite name=\"{}\" "
      "{}>\n{}  "
      "</testsuite>\n</testsuites>\n",
      counts, xml(report.name), counts, cases);
}

std::string render_campaign_annotations(const CampaignReport& report) {
  std::vector<std::string> lines;
  for (const CampaignFinding& f : report.findings) {
    if (f.state == FindingState::known) continue;
    lines.push_back(
        annotation("error", fmt::format("{} {}", state_word(f.state), title_of(f)), f.sentence + " — " + f.repro));
  }
  if (report.shard.empty()) {
    for (const CampaignCanary& c : report.canaries) {
      if (c.found == 0)
        lines.push_back(
            annotation("error", "planted bug " + std::string(canary_word(c)), c.name + ": expected " + c.expected));
    }
  }
  for (const CampaignRunNote& note : report.broken)
    lines.push_back(annotation("error", "broken run " + note.run, note.text));
  if (lines.empty() && campaign_exit_code(report) != 0)
    lines.push_back(annotation("warning", campaign_headline(report), campaign_sentence(report)));
  std::string text;
  const std::size_t shown = lines.size() > most_lines ? most_lines - 1 : lines.size();
  for (std::size_t i = 0; i < shown; ++i) text += lines[i];
  if (lines.size() > shown)
    text += annotation("error", campaign_headline(report), fmt::format("and {} more", lines.size() - shown));
  return text;
}

std::string render_campaign_terminal(const CampaignReport& report, bool utf8) {
  std::string text = campaign_headline(report) + "\n" + spoken(campaign_sentence(report)) + "\n";
  constexpr std::size_t most_blocks = 5;
  std::size_t blocks = 0;
  for (const CampaignFinding& f : report.findings) {
    if (f.state == FindingState::known || ++blocks > most_blocks) continue;
    text += fmt::format("{}  {}  {}  {}\n  {}\n  {}\n", state_word(f.state), f.id, outside(title_of(f)), rate_text(f),
                        spoken(f.sentence), spoken(f.repro));
    if (!f.first_failing.empty()) text += fmt::format("  first failing version: {}\n", outside(f.first_failing));
  }
  if (blocks > most_blocks) text += fmt::format("and {} more\n", blocks - most_blocks);
  for (const CampaignCanary& c : report.canaries) {
    if (report.shard.empty() && c.found == 0)
      text += fmt::format("planted bug {} {}: expected {}{}\n", outside(c.name), canary_word(c), outside(c.expected),
                          c.otherwise.empty() ? "" : "; instead: " + outside(c.otherwise));
  }
  for (std::size_t i = 0; i < std::min(report.broken.size(), most_blocks); ++i)
    text += fmt::format("broken  {}  {}\n", outside(report.broken[i].run), spoken(report.broken[i].text));
  return utf8 ? text : to_ascii(text);
}

}  // namespace faultline
