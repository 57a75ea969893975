// summary.md: verdict, sentence, facts, prefix, reproduction, for a job summary. At most 60 KB, since GitHub drops a
// step summary that is too long. Values stand in code spans whose fences are longer than any run of backticks in them;
// prose has its markup escaped.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "facts.hpp"
#include "story.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t max_bytes = 60'000;
constexpr std::size_t max_rows = 40;
constexpr std::size_t max_findings = 5;

std::string prose(std::string_view text) {
  constexpr std::string_view active = "\\`*_[]<>|~#$&@";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // A colon before slashes and the dot after www would make a link.
    const bool link = (text[i] == ':' && text.substr(i).starts_with("://")) ||
                      (text[i] == '.' && i >= 3 && text.substr(i - 3, 3) == "www");
    if (link || active.find(text[i]) != std::string_view::npos) out += '\\';
    out += text[i];
  }
  return out;
}

std::size_t longest_backtick_run(std::string_view text) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

// A code span for a table cell: a pipe would end the cell even inside code.
std::string code(std::string_view text) {
  if (text.empty()) return {};
  const std::string fence(longest_backtick_run(text) + 1, '`');
  std::string body;
  for (const char c : text) body += c == '|' ? std::string("\\|") : std::string(1, c);
  const bool space = body.front() == '`' || body.back() == '`' || (body.front() == ' ' && body.back() == ' ');
  return fence + (space ? " " + body + " " : body) + fence;
}

std::string block(std::string_view body) {
  const std::string fence(std::max<std::size_t>(3, longest_backtick_run(body) + 1), '`');
  return fence + "\n" + std::string(body) + fence + "\n";
}

std::string facts_table(const ReportInput& input) {
  std::string text = "| | |\n|---|---|\n";
  for (const Fact& fact : facts(input)) text += "| " + prose(fact.label) + " | " + code(fact.value) + " |\n";
  return text;
}

std::string operation_cell(const History& history, OperationIndex operation, bool with_key) {
  return code(process_text(history.operation(operation).process) + " " + operation_text(history, operation, with_key));
}

std::string prefix_table(const History& history, const Anomaly& anomaly) {
  const bool with_key = anomaly.key.is_list();
  std::string text;
  const std::size_t skipped = anomaly.prefix.size() - std::min(anomaly.prefix.size(), max_rows);
  text += "| # | operation | state after |\n|---|---|---|\n";
  if (skipped > 0) text += "| | " + prose(counted(skipped, "earlier step")) + " | |\n";
  for (std::size_t i = skipped; i < anomaly.prefix.size(); ++i) {
    const PrefixStep& step = anomaly.prefix[i];
    text += fmt::format("| {} | {} | {} |\n", i + 1, operation_cell(history, step.operation, with_key),
                        code(outside(step.state)));
  }
  if (anomaly.candidates.empty()) return text;
  text +=
      "\nNext candidates, none of which lets the rest go on:\n\n| | operation | needs | has | why "
      "|\n|---|---|---|---|---|\n";
  for (const Candidate& candidate : anomaly.candidates) {
    text += fmt::format("| {} | {} | {} | {} | {} |\n", candidate.legal ? "?" : "✗",
                        operation_cell(history, candidate.operation, with_key), code(outside(candidate.needs)),
                        code(outside(candidate.has)), prose(spoken(candidate.why)));
  }
  return text;
}

std::string other_findings(const std::vector<Finding>& found) {
  if (found.size() < 2) return {};
  std::string text = "\n### Other contradictions\n\n";
  for (std::size_t i = 1; i < std::min(found.size(), max_findings); ++i) {
    text += "- **" + prose(outside(found[i].name)) + "** " +
            (found[i].key.is_null() ? "" : code(show_key(found[i].key)) + " ") + prose(found[i].sentence) + "\n";
  }
  if (found.size() > max_findings) text += fmt::format("- and {} more\n", found.size() - max_findings);
  return text;
}

std::string story_list(const ReportInput& input) {
  if (input.story.empty()) return {};
  std::string text = "\n### What happened\n\n";
  for (const std::string& sentence : input.story) text += prose(spoken(sentence)) + "\n";
  return text;
}

std::string faults_table(const RunInfo& run) {
  if (run.faults.empty()) return {};
  std::string text = "\n### Faults\n\n| fault | count | effect |\n|---|---|---|\n";
  for (const FaultEffect& fault : run.faults) {
    text += fmt::format("| {} | {} | {}{} |\n", code(outside(fault.kind)), fault.count,
                        fault.bit ? "" : "**no effect** ", prose(outside(fault.effect)));
  }
  return text;
}

}  // namespace

std::string render_markdown(const ReportInput& input) {
  const std::vector<Finding> found = findings(input);
  std::string text =
      "## " + prose(headline(input)) + "\n\n" + prose(contradiction(input)) + "\n\n" + facts_table(input);
  std::string commands_text;
  for (const Command& command : commands(input))
    commands_text += command.line + (command.note.empty() ? "" : "  # " + command.note) + "\n";
  const std::string reproduce = "\n### Reproduce\n\n" + block(commands_text);
  std::vector<std::string> parts;
  if (!found.empty() && found.front().first != nullptr) {
    parts.push_back("\n### Longest legal prefix\n\n" + prefix_table(*input.history, *found.front().first));
  }
  parts.push_back(other_findings(found));
  parts.push_back(story_list(input));
  if (input.run) parts.push_back(faults_table(*input.run));
  // Whole parts are left out, never cut: half a table helps nobody.
  bool left_out = false;
  std::string middle;
  for (const std::string& part : parts) {
    const bool fits = text.size() + reproduce.size() + middle.size() + part.size() + 200 <= max_bytes;
    if (fits) middle += part;
    left_out = left_out || !fits;
  }
  return text + middle + reproduce + (left_out ? "\nMore than fits here is in report.html.\n" : "");
}

}  // namespace faultline
