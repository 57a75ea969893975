// report.html: one file, no script, no request. A reader with nothing but this page can tell which operations
// contradict and why.
//
// Everything in it is static: the document is complete in mail, in print and with scripts off. Its content security
// policy names the hash of its only style sheet and forbids everything else, so that nothing a system under test may
// have put into a value can load or run.
#include <fmt/format.h>

#include <string>

#include "facts.hpp"
#include "html_parts.hpp"
#include "html_writer.hpp"
#include "palette.hpp"
#include "sha256.hpp"
#include "story.hpp"
#include "style_sheet.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

std::string_view tone_class(Tone tone) {
  switch (tone) {
    case Tone::good: return "good";
    case Tone::bad: return "bad";
    case Tone::unknown: return "unknown";
    case Tone::broken: return "broken";
  }
  FL_ASSERT(false && "unknown tone");
}

std::string page_title(const ReportInput& input) {
  std::string title = headline(input);
  if (effective_verdict(input) == VerdictKind::invalid) {
    const Finding finding = findings(input).front();
    if (!finding.key.is_null()) title += " · " + show_key(finding.key, 40);
    title += " · " + outside(finding.name, 40);
  }
  if (input.run) title += " · " + outside(input.run->workload, 40) + " on " + outside(input.run->target, 40);
  return title + " · Faultline";
}

// The tab shows the verdict's colour; the picture is made of our own text alone.
std::string icon(Tone tone) {
  std::uint32_t colour = 0;
  for (const Colour& c : palette()) {
    if (c.role == tone_class(tone)) colour = c.light;
  }
  return fmt::format(
      "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' "
      "r='7' "
      "fill='%23{:06x}'/%3E%3C/svg%3E",
      colour);
}

void write_head(HtmlWriter& html, const ReportInput& input, const std::string& css) {
  const std::string policy =
      fmt::format("default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
                  base64(sha256(css)));
  html.open("head").empty("meta", {{"charset", "utf-8"}}).line_break();
  html.empty("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", policy}}).line_break();
  html.element("title", {}, page_title(input)).line_break();
  html.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.empty("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.empty("meta", {{"name", "referrer"}, {"content", "no-referrer"}}).line_break();
  html.empty("link", {{"rel", "icon"}, {"href", icon(tone(input))}}).line_break();
  html.style(css).close("head").line_break();
}

void write_body(HtmlWriter& html, const ReportInput& input) {
  const Tone t = tone(input);
  const bool invalid = effective_verdict(input) == VerdictKind::invalid && !input.verdict->anomalies.empty();
  html.open("body").open("div", {{"class", "page"}}).line_break();
  html.open("header", {{"class", "verdict " + std::string(tone_class(t))}}).element("h1", {}, headline(input));
  html.value_element("p", {}, scope(input)).close("header").line_break();
  html.open("main");
  write_sentence(html, input);
  write_facts(html, input);
  if (invalid) {
    write_evidence(html, *input.history, input.verdict->anomalies.front(), "main", true);
  } else {
    html.open("div", {{"class", "first"}});
    write_coverage(html, input);
    html.close("div");
  }
  write_story(html, input);
  write_reproduce(html, input);
  write_others(html, input);
  write_faults(html, input);
  if (invalid) write_coverage(html, input);
  write_keys(html, input);
  write_configuration(html, input);
  write_remarks(html, input);
  html.close("main");
  html.element("footer", {},
               "Faultline: fault tests for distributed systems, with verdicts that can be checked. This page loads "
               "nothing and runs nothing.");
  html.close("div").close("body").line_break();
}

}  // namespace

std::string render_html(const ReportInput& input) {
  HtmlWriter html;
  html.open("html", {{"lang", "en"}}).line_break();
  write_head(html, input, style_sheet());
  write_body(html, input);
  html.close("html").line_break();
  return "<!DOCTYPE html>\n" + html.take();
}

}  // namespace faultline
