// The upper half of the page: sentence, facts, timeline, longest legal prefix.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "facts.hpp"
#include "html_parts.hpp"
#include "story.hpp"
#include "timeline_svg.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t max_steps = 9;
constexpr std::size_t max_folded_steps = 500;
constexpr std::size_t max_order_shown = 12;

// Stretches of the sentence to set apart: [from, to) and how.
struct Mark {
  std::size_t from, to;
  bool strong;
};

void mark_phrase(std::vector<Mark>& marks, const std::string& sentence, const std::string& phrase, bool strong) {
  if (phrase.size() < 2) return;
  for (std::size_t at = sentence.find(phrase); at != std::string::npos; at = sentence.find(phrase, at + 1)) {
    const std::size_t end = at + phrase.size();
    const auto word = [&](std::size_t i) {
      const auto c = static_cast<unsigned char>(sentence[i]);
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
    };
    const bool whole = (at == 0 || !word(at - 1)) && (end == sentence.size() || !word(end));
    const bool apart =
        std::none_of(marks.begin(), marks.end(), [&](const Mark& m) { return at < m.to && m.from < end; });
    if (!whole || !apart) continue;
    marks.push_back({at, end, strong});
    return;
  }
}

std::vector<Mark> marks_of(const ReportInput& input, const std::string& sentence) {
  std::vector<Mark> marks;
  const std::vector<Finding> found =
      effective_verdict(input) == VerdictKind::invalid ? findings(input) : std::vector<Finding>();
  if (found.empty() || found.front().first == nullptr) return marks;
  const Anomaly& anomaly = *found.front().first;
  if (anomaly.gap) mark_phrase(marks, sentence, to_text(*anomaly.gap), true);
  const std::size_t known = input.history->operation_count();
  for (const OperationIndex o : {anomaly.culprit, anomaly.contradicted}) {
    if (o == none || o >= known) continue;
    const Operation operation = input.history->operation(o);
    for (const Value& value : {operation.output, operation.input}) {
      if (!anomaly.key.is_null()) mark_phrase(marks, sentence, show_key(anomaly.key) + " = " + show(value), false);
    }
    mark_phrase(marks, sentence, operation_text(*input.history, o), false);
  }
  std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.from < b.from; });
  return marks;
}

void write_operation(HtmlWriter& html, const History& history, OperationIndex o, bool with_key, bool context) {
  html.open("td").open("span", {{"class", "op-text"}}).text(process_text(history.process(history.invoked(o))) + " ");
  html.value(operation_text(history, o, with_key)).close("span");
  if (context) html.text(" (context)");
  html.close("td");
}

// Steps [from, to) of the prefix.
void write_steps(HtmlWriter& html, const History& history, const Anomaly& anomaly, std::size_t from, std::size_t to) {
  const bool with_key = anomaly.key.is_list();
  html.open("div", {{"class", "table"}}).open("table").open("thead").open("tr");
  html.element("th", {{"scope", "col"}, {"class", "n"}}, "#").element("th", {{"scope", "col"}}, "operation");
  html.element("th", {{"scope", "col"}}, "state after").close("tr").close("thead").open("tbody");
  for (std::size_t i = from; i < to; ++i) {
    const PrefixStep& step = anomaly.prefix[i];
    if (step.operation >= history.operation_count()) continue;
    const bool changed = i == 0 || anomaly.prefix[i - 1].state != step.state;
    const bool context =
        std::find(anomaly.context.begin(), anomaly.context.end(), step.operation) != anomaly.context.end();
    html.open("tr", {{"data-op", fmt::format("{}", step.operation)}, {"data-step", fmt::format("{}", i + 1)}})
        .open("td", {{"class", "n"}});
    html.element("span", {{"class", context ? "disc step ctx" : "disc step"}}, fmt::format("{}", i + 1)).close("td");
    write_operation(html, history, step.operation, with_key, context);
    html.open("td")
        .open("span", {{"class", changed ? "mono state changed" : "mono state"}})
        .value(outside(step.state))
        .close("span");
    html.close("td").close("tr");
  }
  html.close("tbody").close("table").close("div");
}

// The last steps and the candidates matter most; what came before is folded.
void write_prefix(HtmlWriter& html, const History& history, const Anomaly& anomaly) {
  const std::size_t steps = anomaly.prefix.size();
  if (steps == 0) return;
  const std::size_t folded = steps > max_steps ? steps - max_steps : 0;
  if (folded > 0) {
    const std::size_t first = folded > max_folded_steps ? folded - max_folded_steps : 0;
    html.open("details").element("summary", {}, counted(folded, "earlier step"));
    if (first > 0)
      html.element("p", {}, fmt::format("Of these the last {} are shown; verdict.json has all.", max_folded_steps));
    write_steps(html, history, anomaly, first, folded);
    html.close("details");
  }
  write_steps(html, history, anomaly, folded, steps);
}

void write_candidates(HtmlWriter& html, const History& history, const Anomaly& anomaly) {
  if (anomaly.candidates.empty()) return;
  const bool any_legal =
      std::any_of(anomaly.candidates.begin(), anomaly.candidates.end(), [](const Candidate& c) { return c.legal; });
  html.open("div", {{"class", "table"}}).open("table", {{"class", "candidates"}});
  html.element("caption", {},
               any_legal ? "Next candidates: none lets the rest go on" : "Next candidates: none is legal");
  html.open("thead").open("tr").element("th", {{"scope", "col"}}, "operation, and why not");
  html.element("th", {{"scope", "col"}}, "needs")
      .element("th", {{"scope", "col"}}, "has")
      .close("tr")
      .close("thead")
      .open("tbody");
  for (const Candidate& candidate : anomaly.candidates) {
    if (candidate.operation >= history.operation_count()) continue;
    const std::string stuck = candidate.operation == anomaly.culprit ? " stuck" : "";
    html.open("tr", {{"class", "what" + stuck}, {"data-op", fmt::format("{}", candidate.operation)}});
    html.open("td")
        .element("span", {{"class", candidate.legal ? "disc maybe" : "disc x"}}, candidate.legal ? "?" : "✗")
        .text(" ");
    html.open("span", {{"class", "op-text"}})
        .text(process_text(history.process(history.invoked(candidate.operation))) + " ");
    html.value(operation_text(history, candidate.operation, anomaly.key.is_list())).close("span").close("td");
    html.value_element("td", {{"class", "mono"}}, outside(candidate.needs))
        .value_element("td", {{"class", "mono"}}, outside(candidate.has));
    html.close("tr");
    html.open("tr", {{"class", stuck.empty() ? "" : "stuck"}})
        .value_element("td", {{"class", "why"}, {"colspan", "3"}}, spoken(candidate.why));
    html.close("tr");
  }
  html.close("tbody").close("table").close("div");
}

void write_legend(HtmlWriter& html, const History& history, const Anomaly& anomaly) {
  const auto has = [&](auto test) { return std::any_of(anomaly.core.begin(), anomaly.core.end(), test); };
  const bool open =
      has([&](OperationIndex o) { return o < history.operation_count() && history.operation(o).is_open(); });
  const bool failed =
      has([&](OperationIndex o) { return o < history.operation_count() && history.outcome(o) == Outcome::fail; });
  const auto entry = [&](std::string_view sign, std::string_view meaning) {
    html.open("li").element("b", {}, sign).text(" ").text(meaning).close("li");
  };
  html.open("ul", {{"class", "legend"}});
  entry("①", "order of taking effect, as in the table");
  entry("✓", "ok");
  if (open) entry("?", "info: may take effect later, or never");
  if (failed) entry("–", "failed: no effect");
  entry("✗", "fits nowhere");
  if (!anomaly.context.empty())
    entry("dimmed", "context, not counted: judged as if it might have happened at any time after it began");
  html.close("ul");
}

}  // namespace

void write_sentence(HtmlWriter& html, const ReportInput& input) {
  const std::string sentence = contradiction(input);
  html.open("p", {{"class", "sentence"}, {"id", "contradiction"}});
  std::size_t at = 0;
  for (const Mark& mark : marks_of(input, sentence)) {
    html.text(std::string_view(sentence).substr(at, mark.from - at));
    const std::string_view phrase = std::string_view(sentence).substr(mark.from, mark.to - mark.from);
    if (mark.strong) {
      html.element("strong", {}, phrase);
    } else {
      html.value_element("code", {}, phrase);
    }
    at = mark.to;
  }
  html.text(std::string_view(sentence).substr(at)).close("p").line_break();
}

namespace {

// No line break between an amount and its unit.
std::string amounts_together(std::string text) {
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const bool amount =
        text[i] == ' ' && text[i - 1] >= '0' && text[i - 1] <= '9' && text[i + 1] >= 'A' && text[i + 1] <= 'z';
    if (amount) text.replace(i, 1, "\u00a0");
  }
  return text;
}

}  // namespace

void write_facts(HtmlWriter& html, const ReportInput& input) {
  html.open("dl", {{"class", "facts"}});
  for (const Fact& fact : facts(input)) {
    html.open("div").element("dt", {}, fact.label).value_element("dd", {}, amounts_together(fact.value)).close("div");
  }
  html.close("dl").line_break();
}

void write_evidence(HtmlWriter& html, const History& history, const Anomaly& anomaly, std::string_view id,
                    bool with_primer) {
  const std::string name(id);
  const std::string_view heading_tag = with_primer ? "h2" : "h3";
  html.open("div", {{"class", "evidence"}}).open("section", {{"aria-labelledby", name + "-picture"}});
  html.open(heading_tag, {{"id", name + "-picture"}})
      .text(anomaly.one_minimal ? "Minimal counterexample " : "Reduced counterexample ");
  html.open("span", {{"class", "more"}}).text("· " + minimality(anomaly)).close("span").close(heading_tag);
  html.open("figure", {{"class", "picture"}, {"tabindex", "0"}});
  const std::string wide = name + "-wide";
  const std::string narrow = name + "-narrow";
  draw_timeline(html, history, anomaly, {.width = 752, .id = wide, .class_name = "wide"});
  draw_timeline(html, history, anomaly, {.width = 368, .id = narrow, .class_name = "narrow"});
  html.close("figure");
  write_legend(html, history, anomaly);
  if (with_primer) write_primer(html);
  html.close("section").open("section", {{"aria-labelledby", name + "-prefix"}});
  const std::set<OperationIndex> core(anomaly.core.begin(), anomaly.core.end());
  const auto placed = std::count_if(anomaly.prefix.begin(), anomaly.prefix.end(),
                                    [&](const PrefixStep& step) { return core.contains(step.operation); });
  html.open(heading_tag, {{"id", name + "-prefix"}}).text("Longest legal prefix ");
  html.open("span", {{"class", "more"}})
      .text(fmt::format("· {} of {}, then stuck", placed, core.size()))
      .close("span")
      .close(heading_tag);
  write_prefix(html, history, anomaly);
  write_candidates(html, history, anomaly);
  html.close("section").close("div").line_break();
}

void write_legal_order(HtmlWriter& html, const ReportInput& input) {
  if (effective_verdict(input) != VerdictKind::valid) return;
  const std::vector<KeyVerdict>& keys = input.verdict->by_key;
  const auto key = std::find_if(keys.begin(), keys.end(), [](const KeyVerdict& k) { return !k.order.empty(); });
  if (key == keys.end()) return;
  Anomaly shown{.key = key->key};
  for (const OperationIndex o : key->order) {
    if (shown.prefix.size() == max_order_shown || o >= input.history->operation_count()) break;
    shown.core.push_back(o);
    shown.prefix.push_back({o, ""});
  }
  std::sort(shown.core.begin(), shown.core.end());
  html.open("details")
      .element("summary", {}, "A legal order, as the certificate has it")
      .open("div", {{"class", "evidence"}});
  html.open("section", {{"aria-labelledby", "order-picture"}})
      .open("h2", {{"id", "order-picture"}})
      .text("A legal order ");
  html.open("span", {{"class", "more"}}).text("· ");
  if (!key->key.is_null()) html.text("key ").value(show_key(key->key, 40)).text(", ");
  html.text(fmt::format("the first {} of {}", shown.prefix.size(), counted(key->order.size(), "operation")));
  html.close("span").close("h2").open("figure", {{"class", "picture"}, {"tabindex", "0"}});
  draw_timeline(html, *input.history, shown, {.width = 752, .id = "order-wide", .class_name = "wide"});
  draw_timeline(html, *input.history, shown, {.width = 368, .id = "order-narrow", .class_name = "narrow"});
  html.close("figure").close("section").open("section", {{"aria-labelledby", "order-steps"}});
  html.element("h2", {{"id", "order-steps"}}, "In this order every result is right");
  html.open("div", {{"class", "table"}}).open("table").open("thead").open("tr");
  html.element("th", {{"scope", "col"}, {"class", "n"}}, "#").element("th", {{"scope", "col"}}, "operation");
  html.close("tr").close("thead").open("tbody");
  for (std::size_t i = 0; i < shown.prefix.size(); ++i) {
    const OperationIndex o = shown.prefix[i].operation;
    html.open("tr", {{"data-op", fmt::format("{}", o)}, {"data-step", fmt::format("{}", i + 1)}});
    html.open("td", {{"class", "n"}}).element("span", {{"class", "disc"}}, fmt::format("{}", i + 1)).close("td");
    write_operation(html, *input.history, o, key->key.is_list(), false);
    html.close("tr");
  }
  html.close("tbody").close("table").close("div").close("section").close("div").close("details").line_break();
}

}  // namespace faultline::reports
