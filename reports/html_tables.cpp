// The lower half of the page: coverage, reproduction, other contradictions, faults, keys, configuration, remarks.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "facts.hpp"
#include "faults.hpp"
#include "html_parts.hpp"
#include "story.hpp"
#include "timeline_svg.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t max_keys = 60;
constexpr std::size_t paper_keys = 8;                // as in the style sheet
constexpr std::size_t min_overview_operations = 50;  // fewer say more as a table
constexpr std::size_t max_others = 9;
constexpr std::size_t max_others_drawn = 4;
constexpr std::size_t max_remarks = 100;
constexpr std::size_t max_minimal_bytes = 64 * 1024;

void column_heads(HtmlWriter& html, std::initializer_list<std::string_view> names) {
  html.open("thead").open("tr");
  for (const std::string_view name : names) html.element("th", {{"scope", "col"}}, name);
  html.close("tr").close("thead");
}

struct OutcomeCounts {
  std::size_t ok = 0, fail = 0, open = 0;
};

void write_outcomes(HtmlWriter& html, const History& history) {
  std::vector<OutcomeCounts> counts(history.functions().size());
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    OutcomeCounts& c = counts[history.function(history.invoked(o))];
    const Outcome outcome = history.outcome(o);
    (outcome == Outcome::ok ? c.ok : outcome == Outcome::fail ? c.fail : c.open) += 1;
  }
  html.open("div", {{"class", "table"}}).open("table");
  column_heads(html, {"operation", "✓ ok", "– failed", "? info"});
  html.open("tbody");
  for (std::size_t f = 0; f < counts.size(); ++f) {
    const OutcomeCounts& c = counts[f];
    if (c.ok + c.fail + c.open == 0) continue;
    html.open("tr")
        .open("th", {{"scope", "row"}})
        .open("span", {{"class", "op-text"}})
        .value(outside(history.functions()[f], 40));
    html.close("span")
        .close("th")
        .element("td", {}, grouped(c.ok))
        .element("td", {}, grouped(c.fail))
        .element("td", {}, grouped(c.open));
    html.close("tr");
  }
  html.close("tbody").close("table").close("div");
}

void write_to_string(HtmlWriter& html, VerdictKind kind) {
  const bool valid = kind == VerdictKind::valid;
  const bool invalid = kind == VerdictKind::invalid;
  html.open("td").element("span",
                          {{"class", valid     ? "word valid"
                                     : invalid ? "word invalid"
                                               : "word undecided"}},
                          valid     ? "✓ valid"
                          : invalid ? "✗ invalid"
                                    : "? unknown");
  html.close("td");
}

}  // namespace

void write_coverage(HtmlWriter& html, const ReportInput& input) {
  const Coverage c = coverage(*input.history);
  if (c.operations == 0) return;
  const bool drawn = c.operations >= min_overview_operations;
  html.open("div", {{"class", drawn ? "evidence" : "alone"}}).open("section", {{"aria-labelledby", "coverage"}});
  html.open("h2", {{"id", "coverage"}}).text("What was exercised ").open("span", {{"class", "more"}});
  html.text("· " + counted(c.operations, "operation"));
  if (!fault_bands(*input.history).empty()) html.text(", " + percent(c.under_fault, c.operations) + " under a fault");
  html.close("span").close("h2");
  if (drawn) {
    html.open("figure");
    draw_overview(html, input, {.width = 752, .id = "overview-wide", .class_name = "wide"});
    draw_overview(html, input, {.width = 368, .id = "overview-narrow", .class_name = "narrow"});
    html.element("figcaption", {{"class", "legend"}},
                 "Columns count operations by the moment they began; from bottom to top: ok, failed, info.");
    html.close("figure").close("section").open("section", {{"aria-labelledby", "outcomes"}});
    html.element("h2", {{"id", "outcomes"}}, "Outcomes");
  }
  write_outcomes(html, *input.history);
  html.close("section").close("div").line_break();
}

void write_story(HtmlWriter& html, const ReportInput& input) {
  if (input.story.empty()) return;
  html.open("section", {{"aria-labelledby", "story"}}).element("h2", {{"id", "story"}}, "What happened").open("ol");
  for (const std::string& sentence : input.story) {
    // The list numbers them itself.
    const std::size_t number = sentence.find_first_not_of("0123456789");
    const bool numbered =
        number != 0 && std::string_view(sentence).substr(std::min(number, sentence.size())).starts_with(". ");
    html.value_element("li", {}, spoken(numbered ? sentence.substr(number + 2) : sentence)).line_break();
  }
  html.close("ol").close("section").line_break();
}

void write_reproduce(HtmlWriter& html, const ReportInput& input) {
  html.open("section", {{"aria-labelledby", "reproduce"}})
      .element("h2", {{"id", "reproduce"}}, "Reproduce")
      .open("ol", {{"class", "commands"}});
  for (const Command& command : commands(input)) {
    html.open("li").value_element("code", {{"class", "cmd"}}, command.line);
    if (!command.note.empty()) html.element("span", {{"class", "note"}}, "# " + command.note);
    html.close("li");
  }
  html.close("ol");
  write_minimal(html, input);
  html.close("section").line_break();
}

void write_minimal(HtmlWriter& html, const ReportInput& input) {
  if (effective_verdict(input) != VerdictKind::invalid || input.verdict->anomalies.empty()) return;
  const std::string lines = render_minimal_jsonl(*input.history, input.verdict->anomalies.front());
  html.open("details").element("summary", {}, "The counterexample as a history of its own (minimal.jsonl)").open("pre");
  std::string_view left(lines);
  std::size_t bytes = 0;
  while (!left.empty() && bytes < max_minimal_bytes) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    const std::string line = outside(left.substr(0, end), 1000);
    html.value(line).line_break();
    bytes += line.size();
    left.remove_prefix(std::min(left.size(), end + 1));
  }
  if (!left.empty()) html.text(fmt::format("… {} more bytes", left.size()));
  html.close("pre").close("details");
}

void write_primer(HtmlWriter& html) {
  html.open("details").element("summary", {}, "How to check this by hand").open("div", {{"class", "primer"}});
  html.element(
      "p", {},
      "A system is linearizable if every operation seems to happen at one instant between its start and its end.");
  html.element("p", {},
               "So pick one instant inside each box of the timeline such that, read from left to right, every result "
               "is right. A box that ends "
               "before another begins must come first; boxes that overlap may go either way; a box without right edge "
               "may happen at any later "
               "time, or never.");
  html.element("p", {},
               "The numbers are the longest such choice. Below the table stand all operations that could come next, "
               "and why each of them cannot.");
  html.close("div").close("details");
}

void write_others(HtmlWriter& html, const ReportInput& input) {
  if (effective_verdict(input) != VerdictKind::invalid || input.verdict->anomalies.size() < 2) return;
  const std::vector<Anomaly>& all = input.verdict->anomalies;
  html.open("section", {{"aria-labelledby", "others"}});
  html.element("h2", {{"id", "others"}}, "Other contradictions").open("ul", {{"class", "others"}});
  for (std::size_t i = 1; i < std::min(all.size(), max_others + 1); ++i) {
    html.open("li").open("span", {{"class", "what"}}).text("✗ ");
    if (!all[i].key.is_null()) html.text("key ").value(show_key(all[i].key)).text(" · ");
    html.value(outside(all[i].name)).close("span").text(spoken(all[i].sentence));
    if (i <= max_others_drawn) {
      html.open("details").element("summary", {}, "Timeline and prefix");
      write_evidence(html, *input.history, all[i], fmt::format("other-{}", i), false);
      html.close("details");
    }
    html.close("li");
  }
  html.close("ul");
  if (all.size() > max_others + 1)
    html.element("p", {}, fmt::format("and {} more, all in verdict.json", all.size() - max_others - 1));
  html.close("section").line_break();
}

void write_faults(HtmlWriter& html, const ReportInput& input) {
  if (!input.run || input.run->faults.empty()) return;
  html.open("section", {{"aria-labelledby", "faults"}}).open("h2", {{"id", "faults"}}).text("Faults ");
  html.open("span", {{"class", "more"}})
      .text("· " + counted(input.run->leader_changes, "leader change"))
      .close("span")
      .close("h2");
  html.open("div", {{"class", "table"}}).open("table");
  column_heads(html, {"fault", "applied", "did it bite?", "effect"});
  html.open("tbody");
  for (const FaultEffect& fault : input.run->faults) {
    html.open("tr")
        .open("th", {{"scope", "row"}})
        .value(outside(fault.kind))
        .close("th")
        .element("td", {}, fmt::format("{} ×", fault.count));
    html.open("td")
        .element("span", {{"class", fault.bit ? "word" : "word undecided"}}, fault.bit ? "✓ yes" : "– no")
        .close("td");
    html.value_element("td", {}, outside(fault.effect)).close("tr");
  }
  html.close("tbody").close("table").close("div").close("section").line_break();
}

void write_keys(HtmlWriter& html, const ReportInput& input) {
  if (!input.verdict || input.verdict->by_key.empty()) return;
  const std::vector<KeyVerdict>& keys = input.verdict->by_key;
  const KeyCounts counts = key_counts(input);
  html.open("section", {{"aria-labelledby", "keys"}}).open("h2", {{"id", "keys"}}).text("Keys, failed first ");
  html.open("span", {{"class", "more"}})
      .text(fmt::format("· {} valid, {} invalid, {} unknown", counts.valid, counts.invalid, counts.unknown));
  html.close("span").close("h2").open("div", {{"class", "table"}}).open("table", {{"class", "long"}});
  column_heads(
      html, {"key", "verdict", "operations", "longest prefix", "engine", "configurations", "memory", "time", "reason"});
  html.open("tbody");
  for (std::size_t i = 0; i < std::min(keys.size(), max_keys); ++i) {
    const KeyVerdict& key = keys[i];
    html.open("tr").open("th", {{"scope", "row"}}).value(key.key.is_null() ? "(all)" : show_key(key.key)).close("th");
    write_to_string(html, key.kind);
    html.element("td", {}, grouped(key.operations))
        .element("td", {}, grouped(key.longest_prefix))
        .value_element("td", {}, outside(key.engine, 40));
    html.element("td", {}, grouped(key.cost.configurations))
        .element("td", {}, key.cost.peak_bytes > 0 ? bytes_text(key.cost.peak_bytes) : "");
    html.element("td", {}, key.cost.time > Duration::zero() ? to_text(key.cost.time) : "")
        .value_element("td", {}, outside(key.reason))
        .close("tr");
  }
  html.close("tbody").close("table").close("div");
  if (keys.size() > max_keys) {
    html.element("p", {{"class", "on-screen"}},
                 "and " + counted(keys.size() - max_keys, "more key") + ", in verdict.json");
  }
  if (keys.size() > paper_keys) html.element("p", {{"class", "on-paper"}}, "On paper only the first keys are shown.");
  html.close("section").line_break();
}

void write_configuration(HtmlWriter& html, const ReportInput& input) {
  html.open("section", {{"aria-labelledby", "configuration"}})
      .element("h2", {{"id", "configuration"}}, "Configuration and versions");
  html.open("dl", {{"class", "config"}});
  for (const Fact& fact : configuration(input)) {
    html.open("div").value_element("dt", {}, fact.label).value_element("dd", {}, fact.value).close("div");
  }
  html.close("dl");
  if (input.run && !input.run->artefacts.empty()) {
    html.open("details")
        .element("summary", {}, "Files of this run, with their SHA-256")
        .open("div", {{"class", "table"}})
        .open("table");
    column_heads(html, {"file", "sha256"});
    html.open("tbody");
    for (const auto& [name, hash] : input.run->artefacts) {
      html.open("tr")
          .value_element("td", {}, outside(name))
          .open("td")
          .open("span", {{"class", "mono"}})
          .value(outside(hash))
          .close("span");
      html.close("td").close("tr");
    }
    html.close("tbody").close("table").close("div").close("details");
  }
  html.close("section").line_break();
}

void write_remarks(HtmlWriter& html, const ReportInput& input) {
  std::vector<std::string> remarks;
  if (input.ending == Ending::harness_failure && tone(input) == Tone::bad)
    remarks.push_back("The run broke afterwards: " + input.failure);
  if (!input.vacuous.empty() && tone(input) == Tone::bad)
    remarks.push_back("No requested fault had an effect: " + input.vacuous);
  if (input.verdict) remarks.insert(remarks.end(), input.verdict->ignored.begin(), input.verdict->ignored.end());
  remarks.insert(remarks.end(), input.history->warnings().begin(), input.history->warnings().end());
  if (remarks.empty()) return;
  html.open("section", {{"aria-labelledby", "remarks"}})
      .element("h2", {{"id", "remarks"}}, "Left out and remarked")
      .open("ul", {{"class", "remarks"}});
  for (std::size_t i = 0; i < std::min(remarks.size(), max_remarks); ++i)
    html.value_element("li", {}, outside(remarks[i], 500));
  html.close("ul").close("section").line_break();
}

}  // namespace faultline::reports
