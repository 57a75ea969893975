// The last lines of a run or check on a terminal: verdict, sentence, report, repro. Values in them cannot move the
// cursor: controls are spelled out before they get here.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "story.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t max_blocks = 5;

class Painter {
 public:
  Painter(Tone tone, const TerminalStyle& style) : tone_(tone), style_(style) {}

  [[nodiscard]] std::string bold(std::string_view text) const { return wrap(code(), text); }
  [[nodiscard]] std::string dim(std::string_view text) const { return wrap("2", text); }

 private:
  [[nodiscard]] std::string_view code() const {
    switch (tone_) {
      case Tone::good: return "1;32";
      case Tone::bad: return "1;31";
      case Tone::unknown: return "1;33";
      case Tone::broken: return "1;35";
    }
    FL_ASSERT(false && "unknown tone");
  }
  [[nodiscard]] std::string wrap(std::string_view sgr, std::string_view text) const {
    return style_.colour ? fmt::format("\x1b[{}m{}\x1b[0m", sgr, text) : std::string(text);
  }

  Tone tone_;
  TerminalStyle style_;
};

std::string with_seed(std::string text, const ReportInput& input) {
  return input.run ? text + fmt::format("  seed {}", input.run->seed) : text;
}

// What follows the verdict on its line when there is no finding to name.
std::string about(const ReportInput& input) {
  std::string text;
  if (input.verdict && input.verdict->keys > 1) text += "  " + counted(input.verdict->keys, "key");
  if (input.run) text += "  " + outside(input.run->workload);
  if (!input.run && input.verdict) text += "  " + outside(input.verdict->model);
  return with_seed(text, input);
}

std::string about(const Finding& finding, const ReportInput& input) {
  std::string text;
  if (!finding.key.is_null()) text += "  key " + show_key(finding.key);
  if (finding.count > 1 && !finding.key.is_null()) text += fmt::format(" and {} more", finding.count - 1);
  return with_seed(text + "  " + outside(finding.name), input);
}

}  // namespace

std::string render_terminal(const ReportInput& input, const TerminalStyle& style) {
  const Painter paint(tone(input), style);
  const std::vector<Finding> found =
      effective_verdict(input) == VerdictKind::invalid ? findings(input) : std::vector<Finding>();
  std::string text = paint.bold(headline(input)) + (found.empty() ? about(input) : about(found.front(), input)) + "\n";
  text += contradiction(input) + "\n";
  for (std::size_t i = 1; i < std::min(found.size(), max_blocks); ++i) {
    text += paint.bold(headline(input)) + about(found[i], input) + "\n" + found[i].sentence + "\n";
  }
  if (found.size() > max_blocks) text += fmt::format("and {} more\n", found.size() - max_blocks);
  const std::string page = report_file(input);
  text += paint.dim("report:") + " " + (page.empty() ? "none; --report FILE.html writes one" : outside(page)) + "\n";
  text += paint.dim("repro:") + "  " + commands(input).front().line + "\n";
  return style.utf8 ? text : to_ascii(text);
}

}  // namespace faultline
