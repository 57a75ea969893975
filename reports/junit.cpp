// junit.xml: one testcase per workload, nemesis and property. A violation is a failure, an unknown verdict is skipped
// with its reason and never passes, a broken harness is an error. Everything is escaped; what XML 1.0 forbids never
// gets here, for it is spelled out.
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <vector>

#include "story.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : harmless(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += c;
    }
  }
  // Two code points that are well-formed UTF-8 and yet no XML 1.0 characters.
  for (const auto& [forbidden, spelled] :
       {std::pair{"\xef\xbf\xbe", "‹U+FFFE›"}, std::pair{"\xef\xbf\xbf", "‹U+FFFF›"}}) {
    for (std::size_t at = out.find(forbidden); at != std::string::npos; at = out.find(forbidden, at))
      out.replace(at, 3, spelled);
  }
  return out;
}

std::string class_name(const ReportInput& input) {
  if (!input.run) return input.verdict && !input.verdict->model.empty() ? outside(input.verdict->model) : "check";
  std::string nemesis;
  for (const std::string& name : input.run->nemesis) nemesis += (nemesis.empty() ? "" : "+") + outside(name, 40);
  return outside(input.run->workload) + " × " + (nemesis.empty() ? "no nemesis" : nemesis);
}

std::string prefix_lines(const ReportInput& input, const Anomaly& anomaly) {
  constexpr std::size_t max_lines = 200;
  const bool with_key = anomaly.key.is_list();
  std::string text;
  const auto operation = [&](OperationIndex o) {
    return process_text(input.history->operation(o).process) + " " + operation_text(*input.history, o, with_key);
  };
  const std::size_t skipped = anomaly.prefix.size() - std::min(anomaly.prefix.size(), max_lines);
  if (skipped > 0) text += counted(skipped, "earlier step") + "\n";
  for (std::size_t i = skipped; i < anomaly.prefix.size(); ++i) {
    text +=
        fmt::format("{} {} : {}\n", i + 1, operation(anomaly.prefix[i].operation), outside(anomaly.prefix[i].state));
  }
  for (const Candidate& candidate : anomaly.candidates) {
    text +=
        fmt::format("{} {} : {}\n", candidate.legal ? "?" : "✗", operation(candidate.operation), spoken(candidate.why));
  }
  return text;
}

// Keeps the line breaks of a text made of lines, each of them harmless.
std::string xml_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out += xml(text.substr(0, end)) + "\n";
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string result_element(const ReportInput& input) {
  const std::string message = xml(contradiction(input));
  std::string body;
  for (const Command& command : commands(input)) body += command.line + "\n";
  switch (tone(input)) {
    case Tone::good: return {};
    case Tone::broken:
      return fmt::format("      <error type=\"harness\" message=\"{}\">{}</error>\n", message, xml_lines(body));
    case Tone::unknown: return fmt::format("      <skipped message=\"{}\"/>\n", message);
    case Tone::bad: break;
  }
  const Finding finding = findings(input).front();
  const std::string prefix = finding.first != nullptr ? prefix_lines(input, *finding.first) : std::string();
  return fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", xml(outside(finding.name)), message,
                     xml_lines(prefix + body));
}

}  // namespace

std::string render_junit(const ReportInput& input) {
  const Tone t = tone(input);
  const auto one_if = [&](Tone wanted) { return t == wanted ? 1 : 0; };
  const double time = input.verdict ? std::chrono::duration<double>(input.verdict->cost.time).count() : 0;
  const std::string counts = fmt::format("tests=\"1\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\"",
                                         one_if(Tone::bad), one_if(Tone::broken), one_if(Tone::unknown), time);
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  text += fmt::format("<testsuites name=\"faultline\" {}>\n  <testsuite name=\"faultline\" {}>\n", counts, counts);
  if (input.run) {
    text += fmt::format(
        "    <properties>\n      <property name=\"seed\" value=\"{}\"/>\n      <property name=\"run\" value=\"{}\"/>\n",
        input.run->seed, xml(outside(input.run->directory)));
    text += fmt::format("      <property name=\"target\" value=\"{}\"/>\n    </properties>\n",
                        xml(outside(input.run->target)));
  }
  text += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">\n", xml(class_name(input)),
                      property(input), time);
  text += result_element(input);
  return text + "    </testcase>\n  </testsuite>\n</testsuites>\n";
}

}  // namespace faultline
