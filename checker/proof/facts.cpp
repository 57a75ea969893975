#include "facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <faultline/text.hpp>

namespace faultline {

namespace {
constexpr std::size_t clip_limit = 200;
}

std::string shown(const Value& value) { return clip(value.to_string(), clip_limit); }

std::string bare(const Value& value) {
  return value.is_string() || value.is_keyword() ? clip(escape_controls(value.as_text()), clip_limit) : shown(value);
}

std::string phrase(const Call& call) {
  std::string text = clip(escape_controls(call.f), clip_limit);
  if (call.f == "cas" && call.input.is_pair()) {
    return fmt::format("{} {}→{}", text, shown(call.input.as_list()[0]), shown(call.input.as_list()[1]));
  }
  const bool asks = call.f == "read" || call.f == "get" || call.input.is_null();
  return asks ? text : fmt::format("{} {}", text, shown(call.input));
}

std::string place(const History& history, EventIndex event) {
  const std::uint32_t line = history.line(event);
  return line != 0 ? fmt::format("line {}", line) : fmt::format("event {}", event);
}

Facts::Facts(const History& history, const Items& items, const Core& core)
    : history_(history), since_(core.since), proven_(core.proven) {
  FL_ASSERT(!items.empty());
  const std::uint32_t key = history.key_id(history.invoked(items.front().operation));
  key_ = history.keys()[key];
  std::vector<OperationIndex> sorted = core.operations;
  std::sort(sorted.begin(), sorted.end());
  for (const Item& item : items) {
    const bool kept = item.completed != none && std::binary_search(sorted.begin(), sorted.end(), item.operation);
    facts_.push_back({.operation = item.operation,
                      .process = history.process(item.invoked),
                      .outcome = history.outcome(item.operation),
                      .invoked = item.invoked,
                      .returned = item.completed,
                      .call = item.call,
                      .kept = kept});
  }
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    const EventIndex invoked = history.invoked(o);
    if (history.key_id(invoked) != key || history.outcome(o) != Outcome::fail) continue;
    const bool item = std::binary_search(items.begin(), items.end(), Item{.invoked = invoked, .call = {}},
                                         [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
    if (item) continue;  // a failed cas that counts as an observation
    facts_.push_back({.operation = o,
                      .process = history.process(invoked),
                      .outcome = Outcome::fail,
                      .invoked = invoked,
                      .call = {.f = history.functions()[history.function(invoked)],
                               .input = history.value(invoked),
                               .output = {},
                               .result_known = false}});
  }
  std::sort(facts_.begin(), facts_.end(), [](const Fact& a, const Fact& b) { return a.invoked < b.invoked; });
}

const Fact* Facts::since() const {
  if (since_ == none) return nullptr;
  const auto it =
      std::find_if(facts_.begin(), facts_.end(), [&](const Fact& fact) { return fact.operation == since_; });
  return &*it;
}

std::vector<const Fact*> Facts::core() const {
  std::vector<const Fact*> core;
  for (const Fact& fact : facts_) {
    if (fact.kept) core.push_back(&fact);
  }
  std::sort(core.begin(), core.end(), [](const Fact* a, const Fact* b) { return a->returned < b->returned; });
  return core;
}

std::string Facts::key_is(const Value& value) const {
  return key_.is_null() ? shown(value) : fmt::format("{} = {}", bare(key_), shown(value));
}

std::string Facts::key_name(std::string_view otherwise) const {
  return key_.is_null() ? std::string(otherwise) : bare(key_);
}

std::optional<std::string> Facts::node(const Fact& fact) const {
  const Value& node = history_.operation_extra(fact.operation, "node");
  return node.is_null() ? std::nullopt : std::optional(bare(node));
}

std::string Facts::from_node(const Fact& fact) const {
  const auto name = node(fact);
  return name ? " from " + *name : "";
}

std::optional<Duration> Facts::duration(EventIndex earlier, EventIndex later) const {
  const Instant from = history_.time(earlier), to = history_.time(later);
  // Clocks of several recorders may disagree; order never does.
  if (from == no_time || to == no_time || to <= from) return std::nullopt;
  return to - from;
}

std::string Facts::gap(EventIndex earlier, EventIndex later) const {
  if (const auto known = duration(earlier, later)) return to_text(*known);
  const EventIndex events = later - earlier;
  return fmt::format("{} event{}", events, events == 1 ? "" : "s");
}

}  // namespace faultline
