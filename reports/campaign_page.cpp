// index.html, the morning page: one file, no request, no script. First what broke and whether the night tested anything at all, then how to
// repeat it, then the whole matrix, the trend and the coverage. Its content security policy allows its one style sheet and nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "campaign_words.hpp"
#include "html_writer.hpp"
#include "palette.hpp"
#include "sha256.hpp"
#include "style_sheet.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t most_findings = 200, most_drawn_nights = 60, most_probes = 100;

constexpr const char* campaign_rules = R"css(
.matrix td,.matrix th{border:1px solid var(--line);padding:4px 8px;white-space:nowrap}
.matrix td:last-child,.matrix th:last-child{padding-right:8px}
.cell{font-variant-numeric:tabular-nums}
.cell.bad{background:var(--bad-fill);font-weight:650}
.cell.bad,.state.new,.state.overdue{color:var(--bad)}
.cell.good{color:var(--good)}
.cell.unknown,.cell.known{color:var(--unknown)}
.cell.broken{color:var(--broken);font-weight:650}
.cell.planted{color:var(--fault)}
.state{font-weight:650;white-space:nowrap}
.finding{border-top:1px solid var(--line);padding:10px 0}
.finding h3{margin:0 0 4px}
.finding p{margin:2px 0;max-width:80em;overflow-wrap:anywhere}
.finding .soft{color:var(--soft)}
svg.trend{width:100%;max-width:760px;height:auto;display:block}
.trend .clean{fill:var(--good)}.trend .violated{fill:var(--bad)}.trend .broken{fill:var(--broken)}.trend .unknown,.trend .interrupted{fill:var(--unknown)}
.trend text{font:11px system-ui,sans-serif;fill:var(--soft)}
.trend line{stroke:var(--line)}
@media (forced-colors:active){.trend rect{forced-color-adjust:none}}
)css";

void heads(HtmlWriter& html, std::initializer_list<std::string_view> names) {
  html.open("thead").open("tr");
  for (const std::string_view name : names) html.element("th", {{"scope", "col"}}, name);
  html.close("tr").close("thead");
}

void open_section(HtmlWriter& html, std::string_view title) { html.open("section").element("h2", {}, title); }

void open_table(HtmlWriter& html, std::string_view kind = {}) {
  html.open("div", {{"class", "table"}});
  kind.empty() ? html.open("table") : html.open("table", {{"class", std::string(kind)}});
}

void close_table(HtmlWriter& html) { html.close("tbody").close("table").close("div"); }

void fact(HtmlWriter& html, std::string_view label, std::string_view value) {
  html.open("div").element("dt", {}, label).value_element("dd", {}, value).close("div");
}

void write_facts(HtmlWriter& html, const CampaignReport& report) {
  const CampaignCounts counts = campaign_counts(report);
  html.open("dl", {{"class", "facts"}});
  fact(html, "campaign", outside(report.name));
  if (!report.shard.empty()) fact(html, "shard", outside(report.shard));
  fact(html, "runs", fmt::format("{} of {}", grouped(counts.done), grouped(counts.runs)));
  fact(html, "live · simulated",
       fmt::format("{} · {}", grouped(report.coverage.live_runs), grouped(report.coverage.simulated_runs)));
  fact(html, "took", time_text(report.seconds));
  fact(html, "operations", grouped(report.coverage.operations));
  fact(html, "began", outside(report.utc));
  for (const auto& [name, text] : report.tool) {
    if (name != "compiler") fact(html, "faultline " + name, outside(text));
  }
  html.close("dl").line_break();
}

void write_finding(HtmlWriter& html, const CampaignFinding& f) {
  html.open("div", {{"class", "finding"}}).open("h3");
  html.element("span", {{"class", "state " + std::string(state_word(f.state))}}, state_word(f.state)).text(" · ");
  html.value(outside(f.anomaly))
      .text(" · ")
      .value(outside(f.target))
      .text(" × ")
      .value(outside(f.workload))
      .close("h3");
  html.open("p").value(spoken(f.sentence)).close("p");
  std::string mixes;
  for (const std::string& mix : f.mixes) mixes += (mixes.empty() ? "" : "; ") + mix;
  html.open("p", {{"class", "soft"}})
      .text(rate_text(f))
      .text(" · under ")
      .value(spoken(mixes))
      .text(" · smallest scenario: ");
  html.value(spoken(f.shape + (f.shrunk.empty() ? "" : " (" + f.shrunk + ")")))
      .text(" · signature ")
      .value(f.id)
      .close("p");
  if (!f.since.empty()) html.open("p", {{"class", "soft"}}).text("First seen ").value(outside(f.since)).close("p");
  if (!f.why.empty()) {
    html.open("p", {{"class", "soft"}})
        .text(f.state == FindingState::overdue ? "Was accepted until " : "Accepted until ");
    html.value(f.until).text(": ").value(spoken(f.why)).close("p");
  }
  if (!f.first_failing.empty())
    html.open("p").text("First failing version: ").value(outside(f.first_failing)).close("p");
  html.open("ol", {{"class", "commands"}})
      .open("li")
      .open("code", {{"class", "cmd"}})
      .value(spoken(f.repro))
      .close("code");
  if (!f.page.empty() && f.page.find(':') == std::string::npos && !f.page.starts_with('/'))
    html.element("a", {{"href", f.page}}, "its report");
  html.close("li").close("ol");
  if (!f.story.empty()) {
    html.open("details").element("summary", {}, "What happened").open("pre");
    std::string_view rest = f.story;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      html.value(spoken(rest.substr(0, end))).text("\n");
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    html.close("pre").close("details");
  }
  if (f.run_ids.size() > 1) {
    html.open("details").element("summary", {}, fmt::format("{} of its runs", f.run_ids.size())).open("p");
    for (const std::string& id : f.run_ids) html.open("code").value(outside(id)).close("code").text(" ");
    html.close("p").close("details");
  }
  html.close("div").line_break();
}

void write_findings(HtmlWriter& html, const CampaignReport& report, bool known) {
  std::size_t count = 0;
  for (const CampaignFinding& f : report.findings) count += (f.state == FindingState::known) == known ? 1 : 0;
  if (count == 0) return;
  open_section(html, fmt::format("{} ({})", known ? "Known failures" : "Failures", count));
  std::size_t shown = 0;
  for (const CampaignFinding& f : report.findings) {
    if ((f.state == FindingState::known) == known && shown++ < most_findings) write_finding(html, f);
  }
  if (count > most_findings) html.element("p", {}, fmt::format("and {} more in campaign.json", count - most_findings));
  html.close("section").line_break();
}

void write_canaries(HtmlWriter& html, const CampaignReport& report) {
  if (report.canaries.empty()) return;
  open_section(html, "Planted bugs: would the night have seen one?");
  open_table(html);
  heads(html, {"planted", "expected", "result", "found in", "instead"});
  html.open("tbody");
  for (const CampaignCanary& c : report.canaries) {
    const bool judged = report.shard.empty();
    html.open("tr")
        .open("th", {{"scope", "row"}})
        .value(outside(c.name))
        .close("th")
        .value_element("td", {}, outside(c.expected));
    html.open("td").element("span",
                            {{"class", c.found > 0 ? "word valid"
                                       : judged    ? "word invalid"
                                                   : "word undecided"}},
                            fmt::format("{} {}",
                                        c.found > 0 ? "✓"
                                        : judged    ? "✗"
                                                    : "?",
                                        canary_word(c)));
    html.close("td")
        .element("td", {}, fmt::format("{} of {}", c.found, counted(c.runs, "run")))
        .value_element("td", {}, outside(c.otherwise))
        .close("tr");
  }
  close_table(html);
  html.close("section").line_break();
}

void write_matrix(HtmlWriter& html, const CampaignReport& report) {
  std::vector<std::string> mixes;
  std::vector<std::pair<std::string, std::string>> rows;
  for (const CampaignCell& c : report.cells) {
    if (c.canary) continue;
    if (std::find(mixes.begin(), mixes.end(), c.nemesis) == mixes.end()) mixes.push_back(c.nemesis);
    if (std::find(rows.begin(), rows.end(), std::pair(c.target, c.workload)) == rows.end())
      rows.emplace_back(c.target, c.workload);
  }
  if (rows.empty()) return;
  open_section(html, "Matrix");
  open_table(html, "matrix");
  html.open("thead")
      .open("tr")
      .element("th", {{"scope", "col"}}, "target")
      .element("th", {{"scope", "col"}}, "workload");
  for (const std::string& mix : mixes) html.value_element("th", {{"scope", "col"}}, outside(mix, 60));
  html.close("tr").close("thead").open("tbody");
  for (const auto& [target, workload] : rows) {
    html.open("tr")
        .open("th", {{"scope", "row"}})
        .value(outside(target))
        .close("th")
        .value_element("td", {}, outside(workload));
    for (const std::string& mix : mixes) {
      const auto cell = std::find_if(report.cells.begin(), report.cells.end(), [&](const CampaignCell& c) {
        return !c.canary && c.target == target && c.workload == workload && c.nemesis == mix;
      });
      if (cell == report.cells.end()) {
        html.element("td", {}, "");
      } else {
        html.element("td", {{"class", "cell " + std::string(cell_tone(*cell))}}, cell_text(*cell));
      }
    }
    html.close("tr").line_break();
  }
  close_table(html);
  html.open("ul", {{"class", "legend"}});
  for (const auto& [glyph, word] :
       {std::pair{"✓", "valid"}, std::pair{"✗", "violated"}, std::pair{"k", "known failure"},
        std::pair{"?", "undecided"}, std::pair{"!", "broken"}, std::pair{"○", "valid, but its faults had no effect"},
        std::pair{"–", "not done"}})
    html.open("li").element("b", {}, glyph).text(fmt::format(" {}", word)).close("li");
  html.close("ul").close("section").line_break();
}

void write_gone(HtmlWriter& html, const CampaignReport& report) {
  if (report.gone.empty() && report.known_unseen.empty()) return;
  open_section(html, "Not seen any more");
  html.open("ul", {{"class", "others"}});
  for (const CampaignGone& g : report.gone) {
    html.open("li")
        .open("span", {{"class", "what"}})
        .value(outside(g.anomaly))
        .close("span")
        .value(outside(g.target))
        .text(" × ")
        .value(outside(g.workload));
    html.text(" · last seen ").value(outside(g.last_seen)).close("li");
  }
  for (const CampaignKnownUnseen& k : report.known_unseen) {
    html.open("li").open("span", {{"class", "what"}}).value(outside(k.anomaly)).close("span").value(outside(k.target));
    if (!k.workload.empty()) html.text(" × ").value(outside(k.workload));
    html.text(" · listed as known until ").value(k.until).text(": ").value(spoken(k.why)).close("li");
  }
  html.close("ul").close("section").line_break();
}

void write_trend_picture(HtmlWriter& html, const std::vector<CampaignNight>& nights) {
  constexpr double width = 760, height = 90, base = 76;
  const std::size_t first = nights.size() > most_drawn_nights ? nights.size() - most_drawn_nights : 0;
  std::size_t most = 1;
  for (std::size_t n = first; n < nights.size(); ++n) most = std::max(most, nights[n].runs);
  const double step = std::min(40.0, width / static_cast<double>(nights.size() - first));
  html.open("svg", {{"class", "trend"},
                    {"viewBox", fmt::format("0 0 {:.0f} {:.0f}", width, height)},
                    {"role", "img"},
                    {"aria-label", "runs per night, by verdict; the table below has the numbers"}});
  html.empty("line", {{"x1", "0"}, {"y1", coordinate(base)}, {"x2", coordinate(width)}, {"y2", coordinate(base)}});
  for (std::size_t n = first; n < nights.size(); ++n) {
    const CampaignNight& night = nights[n];
    const double tall = std::max(2.0, 60.0 * static_cast<double>(night.runs) / static_cast<double>(most));
    const bool ours = night.verdict == "clean" || night.verdict == "violated" || night.verdict == "broken";
    html.open("rect", {{"class", ours ? night.verdict : "unknown"},
                       {"x", coordinate(static_cast<double>(n - first) * step + 1)},
                       {"y", coordinate(base - tall)},
                       {"width", coordinate(step - 2)},
                       {"height", coordinate(tall)}});
    html.open("title")
        .value(outside(fmt::format("{}: {}, {} runs, {} new", night.utc, night.verdict, night.runs, night.fresh)))
        .close("title")
        .close("rect");
    const std::string_view glyph = night.verdict == "clean"      ? "✓"
                                   : night.verdict == "violated" ? "✗"
                                   : night.verdict == "broken"   ? "!"
                                                                 : "?";
    html.open("text", {{"x", coordinate(static_cast<double>(n - first) * step + step / 2)},
                       {"y", coordinate(base + 12)},
                       {"text-anchor", "middle"}})
        .text(glyph)
        .close("text");
  }
  html.close("svg");
}

void write_trend(HtmlWriter& html, const CampaignReport& report) {
  const CampaignCounts counts = campaign_counts(report);
  std::vector<CampaignNight> nights = report.nights;
  nights.push_back({.utc = report.utc,
                    .verdict = campaign_verdict(report),
                    .runs = counts.done,
                    .valid = counts.valid,
                    .findings = report.findings.size(),
                    .fresh = counts.fresh,
                    .known = counts.known,
                    .unknown = counts.unknown,
                    .broken = counts.broken,
                    .seconds = report.seconds});
  open_section(
      html, nights.size() == 1 ? "Trend: this is the first night" : fmt::format("Trend over {} nights", nights.size()));
  write_trend_picture(html, nights);
  open_table(html, "long");
  heads(html, {"night", "verdict", "runs", "valid", "findings", "new", "known", "undecided", "broken", "took"});
  html.open("tbody");
  constexpr std::size_t most_rows = 30;
  for (std::size_t i = 0; i < std::min(nights.size(), most_rows); ++i) {
    const CampaignNight& n = nights[nights.size() - 1 - i];
    html.open("tr")
        .open("th", {{"scope", "row"}})
        .value(outside(n.utc))
        .close("th")
        .value_element("td", {}, outside(n.verdict));
    for (const std::size_t number : {n.runs, n.valid, n.findings, n.fresh, n.known, n.unknown, n.broken})
      html.element("td", {}, grouped(number));
    html.element("td", {}, time_text(n.seconds)).close("tr");
  }
  close_table(html);
  html.close("section").line_break();
}

void write_coverage(HtmlWriter& html, const CampaignReport& report) {
  const CampaignCoverage& c = report.coverage;
  open_section(html, "Coverage: did the night test anything?");
  html.open("dl", {{"class", "config"}});
  fact(html, "operations", fmt::format("{} ({} ok)", grouped(c.operations), grouped(c.ok)));
  fact(html, "under a fault, live", grouped(c.under_fault));
  fact(html, "outcome unknown, live", grouped(c.info));
  fact(html, "leader changes", grouped(c.leader_changes));
  fact(html, "runs whose faults did nothing", grouped(c.vacuous));
  html.close("dl");
  if (!c.faults.empty()) {
    open_table(html, "bites");
    heads(html, {"fault", "runs that asked for it", "runs in which it had an effect"});
    html.open("tbody");
    for (const auto& [kind, f] : c.faults) {
      html.open("tr")
          .open("th", {{"scope", "row"}})
          .value(outside(kind))
          .close("th")
          .element("td", {}, grouped(f.runs));
      html.element("td", {},
                   fmt::format("{} ({}){}", grouped(f.bit), percent(f.bit, std::max<std::size_t>(f.runs, 1)),
                               f.bit == 0 ? " — it tested nothing" : ""))
          .close("tr");
    }
    close_table(html);
  }
  if (!c.probes.empty()) {
    html.open("details").element("summary", {},
                                 fmt::format("{} rare situations reached in simulated runs", c.probes.size()));
    open_table(html);
    heads(html, {"situation", "times"});
    html.open("tbody");
    std::size_t shown = 0;
    for (const auto& [name, hits] : c.probes) {
      if (shown++ < most_probes)
        html.open("tr")
            .value_element("td", {}, outside(name))
            .element("td", {{"class", "num"}}, grouped(hits))
            .close("tr");
    }
    close_table(html);
    html.close("details");
  }
  html.close("section").line_break();
}

void write_notes(HtmlWriter& html, std::string_view title, const std::vector<CampaignRunNote>& notes,
                 std::string_view what, std::string_view seconds) {
  if (notes.empty()) return;
  open_section(html, title);
  open_table(html, "long");
  heads(html, {"run", what, seconds});
  html.open("tbody");
  for (const CampaignRunNote& note : notes) {
    html.open("tr").open("th", {{"scope", "row"}}).open("code").value(outside(note.run)).close("code").close("th");
    html.value_element("td", {}, spoken(note.text))
        .element("td", {{"class", "num"}}, time_text(note.seconds))
        .close("tr");
  }
  close_table(html);
  html.close("section").line_break();
}

std::string icon(std::string_view tone) {
  std::uint32_t colour = 0;
  for (const Colour& c : palette()) {
    if (c.role == tone) colour = c.light;
  }
  return fmt::format(
      "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' "
      "r='7' fill='%23{:06x}'/%3E%3C/svg%3E",
      colour);
}

void write_head(HtmlWriter& html, const CampaignReport& report) {
  const std::string css = style_sheet() + (campaign_rules + 1);
  html.open("head").empty("meta", {{"charset", "utf-8"}}).line_break();
  html.empty(
      "meta",
      {{"http-equiv", "Content-Security-Policy"},
       {"content",
        fmt::format("default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
                    base64(sha256(css)))}});
  html.line_break()
      .element("title", {}, campaign_headline(report) + " · " + outside(report.name, 40) + " · Faultline")
      .line_break();
  html.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.empty("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.empty("meta", {{"name", "referrer"}, {"content", "no-referrer"}}).line_break();
  html.empty("link", {{"rel", "icon"}, {"href", icon(verdict_tone(report))}}).line_break();
  html.style(css).close("head").line_break();
}

}  // namespace

std::string render_campaign_html(const CampaignReport& report) {
  HtmlWriter html;
  html.doctype().open("html", {{"lang", "en"}}).line_break();
  write_head(html, report);
  html.open("body").open("div", {{"class", "page"}}).line_break();
  html.open("header", {{"class", "verdict " + std::string(verdict_tone(report))}})
      .element("h1", {}, campaign_headline(report));
  html.value_element("p", {}, outside(report.name)).close("header").line_break().open("main");
  html.open("p", {{"class", "sentence"}}).text(campaign_sentence(report)).close("p").line_break();
  write_facts(html, report);
  write_findings(html, report, false);
  write_canaries(html, report);
  write_notes(html, "Broken runs", report.broken, "why", "took");
  write_matrix(html, report);
  write_findings(html, report, true);
  write_gone(html, report);
  write_notes(html, "Undecided runs", report.unknowns, "why", "took");
  write_coverage(html, report);
  write_trend(html, report);
  write_notes(html, "Slowest checks", report.slowest, "of", "check took");
  write_notes(html, "Runs that were tried again", report.retried, "why", "took");
  html.close("main");
  html.element("footer", {},
               "Faultline: fault tests for distributed systems, with verdicts that can be checked. This page loads "
               "nothing and sends nothing.");
  html.close("div").close("body").close("html").line_break();
  return html.take();
}

}  // namespace faultline
