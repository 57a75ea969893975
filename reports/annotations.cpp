// Workflow commands of GitHub Actions. The runner reads every line of output that begins with "::", so no value may
// begin a line: line breaks are spelled out before, and the percent escapes of the command syntax come last.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "story.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t max_lines = 10;  // the runner keeps that many of a step

std::string escaped(std::string_view text, bool is_property) {
  std::string out;
  for (const char c : harmless(text)) {
    switch (c) {
      case '%': out += "%25"; break;
      case '\r': out += "%0D"; break;
      case '\n': out += "%0A"; break;
      case ':': out += is_property ? "%3A" : ":"; break;
      case ',': out += is_property ? "%2C" : ","; break;
      default: out += c;
    }
  }
  return out;
}

std::string line(std::string_view title, std::string_view message) {
  return fmt::format("::error title={}::{}\n", escaped(title, true), escaped(message, false));
}

}  // namespace

std::string render_annotations(const ReportInput& input) {
  if (tone(input) == Tone::good) return {};
  std::vector<Finding> found =
      effective_verdict(input) == VerdictKind::invalid ? findings(input) : std::vector<Finding>();
  if (found.empty()) return line(headline(input), contradiction(input));
  // One line per anomaly, not per class: each is another key.
  std::string text;
  const auto& anomalies = input.verdict->anomalies;
  const std::size_t total = std::max<std::size_t>(anomalies.size(), 1);
  const std::size_t shown = total > max_lines ? max_lines - 1 : total;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::string name = anomalies.empty() ? found.front().name : anomalies[i].name;
    const Value key = anomalies.empty() ? found.front().key : anomalies[i].key;
    const std::string sentence = i == 0 ? contradiction(input) : spoken(anomalies[i].sentence);
    text += line(headline(input) + (key.is_null() ? "" : " " + show_key(key, 80)) + " " + outside(name), sentence);
  }
  if (total > shown) text += line(headline(input), fmt::format("and {} more", total - shown));
  return text;
}

}  // namespace faultline
