#include <faultline/schedule.hpp>

#include <faultline/nemesis.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "draw.hpp"
#include "strict.hpp"

namespace faultline {

namespace {

// --- writing ---------------------------------------------------------------------------------------------------------

// JSON readers elsewhere may know nothing beyond 63 bits; larger numbers become text.
Value number(std::uint64_t n) {
  if (n <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return static_cast<std::int64_t>(n);
  return fmt::format("{}", n);
}

struct TriggerWriter {
  std::vector<Value::Entry> fields;
  void add(std::string_view name, std::string_view text) {
    if (!text.empty()) fields.emplace_back(name, text);
  }
  void add_nth(std::uint64_t nth) { fields.emplace_back("nth", number(nth)); }

  void operator()(const FrameTrigger& t) {
    add("frame", t.frame), add("from", t.from), add("to", t.to), add_nth(t.nth);
  }
  void operator()(const CallTrigger& t) {
    add("call", t.call), add("node", t.node), add("file", t.file), add_nth(t.nth);
    add("edge", t.after ? "after" : "before");
  }
  void operator()(const RoleTrigger& t) { add("role", t.role), add("node", t.node), add_nth(t.nth); }
  void operator()(const HealTrigger& t) { fields.emplace_back("heal", number(t.decision)); }
};

Value to_value(const Decision& decision) {
  std::vector<Value::Entry> fields{{"id", number(decision.id)}, {"fault", to_value(decision.fault)}};
  if (const auto* at = std::get_if<Duration>(&decision.when)) {
    fields.emplace_back("at", exact(*at));
  } else {
    fields.emplace_back("on", faultline::to_value(std::get<EventTrigger>(decision.when)));
  }
  if (decision.lasts) fields.emplace_back("for", exact(*decision.lasts));
  return Value::map(std::move(fields));
}

// --- reading ---------------------------------------------------------------------------------------------------------

Result<std::uint64_t> read_number(const Value& value, std::string_view what, std::uint64_t smallest) {
  std::uint64_t n = 0;
  bool fine = value.is_integer() && value.as_integer() >= 0;
  if (fine) {
    n = static_cast<std::uint64_t>(value.as_integer());
  } else if (value.is_string()) {
    const std::string_view text = value.as_text();
    fine = !text.empty();
    for (const char c : text) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      fine = fine && c >= '0' && c <= '9' && n <= (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
      if (fine) n = n * 10 + digit;
    }
  }
  if (fine && n >= smallest) return n;
  return Error::bad_input(
      fmt::format("{} is no whole number of at least {}: {}", what, smallest, clip(value.to_string(), 80)));
}

Result<Duration> read_duration(const Value& value, std::string_view what) {
  if (!value.is_string()) {
    return Error::bad_input(fmt::format("{} is no duration: {}", what, clip(value.to_string(), 80)),
                            "a duration needs a unit: \"2.5s\"");
  }
  return parse_duration(value.as_text());
}

// The fields of one trigger, each read once; the first error counts.
class TriggerReader {
 public:
  TriggerReader(const Value& value, const Nodes& nodes) : value_(value), nodes_(nodes) {}

  std::string text(std::string_view name, bool required) {
    const Value& field = value_.get(name);
    if (field.is_string() && !field.as_text().empty()) return std::string(field.as_text());
    if (required || !field.is_null()) {
      fail(Error::bad_input(fmt::format("trigger needs '{}' as text, found {}", name, clip(field.to_string(), 80))));
    }
    return {};
  }
  std::string word(std::string_view name, std::span<const std::string_view> known) {
    std::string text_value = text(name, true);
    if (error_ || std::find(known.begin(), known.end(), text_value) != known.end()) return text_value;
    fail(unknown_word(name, text_value, known));
    return text_value;
  }
  NodeName node(std::string_view name, bool required) {
    NodeName node_name = text(name, required);
    if (!node_name.empty()) {
      if (const auto known = known_node(node_name, nodes_); !known) fail(known.error());
    }
    return node_name;
  }
  std::uint64_t nth() {
    if (value_.get("nth").is_null()) return 1;
    const auto n = read_number(value_.get("nth"), "'nth'", 1);
    if (!n) fail(n.error());
    return n ? n.value() : 1;
  }
  void only(std::initializer_list<std::string_view> fields) {
    if (const auto checked = only_fields(value_, "trigger", {fields.begin(), fields.size()}); !checked)
      fail(checked.error());
  }
  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  const Value& value_;
  const Nodes& nodes_;
  std::optional<Error> error_;
};

}  // namespace

Result<EventTrigger> trigger_from_value(const Value& value, const Nodes& nodes) {
  constexpr std::array<std::string_view, 2> edges{"before", "after"};
  constexpr std::array<std::string_view, 3> roles{"leader", "candidate", "follower"};
  EventTrigger trigger;
  TriggerReader read(value, nodes);
  const auto has = [&](std::string_view name) { return !value.get(name).is_null(); };
  if (has("frame")) {
    read.only({"frame", "from", "to", "nth", "after"});
    trigger.what = FrameTrigger{read.text("frame", true), read.node("from", true), read.node("to", true), read.nth()};
  } else if (has("call")) {
    read.only({"call", "node", "file", "nth", "edge", "after"});
    const bool after = has("edge") && read.word("edge", edges) == "after";
    trigger.what =
        CallTrigger{read.text("call", true), read.node("node", true), read.text("file", false), read.nth(), after};
  } else if (has("role")) {
    read.only({"role", "node", "nth", "after"});
    trigger.what = RoleTrigger{read.word("role", roles), read.node("node", false), read.nth()};
  } else if (has("heal")) {
    read.only({"heal", "after"});
    const auto decision = read_number(value.get("heal"), "'heal'", 1);
    if (!decision) return decision.error();
    trigger.what = HealTrigger{decision.value()};
  } else {
    return Error::bad_input("unknown trigger: " + clip(value.to_string(), 80), "known: frame, call, role, heal");
  }
  if (read.error()) return *read.error();
  if (has("after")) {
    const auto after = read_duration(value.get("after"), "'after'");
    if (!after) return after.error();
    trigger.after = after.value();
  }
  return trigger;
}

namespace {

Result<Decision> read_decision(const Value& value, const Nodes& nodes) {
  constexpr std::array<std::string_view, 5> fields{"id", "at", "on", "for", "fault"};
  if (const auto checked = only_fields(value, "a decision", fields); !checked) return checked.error();
  const auto id = read_number(value.get("id"), "'id'", 1);
  if (!id) return id.error();
  const auto fault = fault_from_value(value.get("fault"));
  if (!fault) return fault.error();
  if (const auto valid = validate(fault.value(), nodes); !valid) return valid.error();
  Decision decision{.id = id.value(), .when = Duration::zero(), .lasts = {}, .fault = fault.value()};
  const Value& at = value.get("at");
  const Value& on = value.get("on");
  if (at.is_null() == on.is_null()) return Error::bad_input("a decision needs either 'at' or 'on'");
  if (!at.is_null()) {
    const auto time = read_duration(at, "'at'");
    if (!time) return time.error();
    decision.when = time.value();
  } else {
    const auto trigger = trigger_from_value(on, nodes);
    if (!trigger) return trigger.error();
    decision.when = trigger.value();
  }
  if (const Value& lasts = value.get("for"); !lasts.is_null()) {
    const auto duration = read_duration(lasts, "'for'");
    if (!duration) return duration.error();
    decision.lasts = duration.value();
  }
  return decision;
}

Result<void> check_references(const std::vector<Decision>& decisions) {
  std::set<std::uint64_t> ids;
  for (const Decision& decision : decisions) {
    if (!ids.insert(decision.id).second)
      return Error::bad_input(fmt::format("two decisions have the id {}", decision.id));
  }
  for (const Decision& decision : decisions) {
    const auto* trigger = std::get_if<EventTrigger>(&decision.when);
    const auto* healed = trigger == nullptr ? nullptr : std::get_if<HealTrigger>(&trigger->what);
    if (healed == nullptr) continue;
    if (!ids.contains(healed->decision) || healed->decision == decision.id) {
      return Error::bad_input(fmt::format("decision {} waits for the heal of decision {}, which is none other",
                                          decision.id, healed->decision));
    }
  }
  return {};
}

}  // namespace

Value to_value(const EventTrigger& trigger) {
  TriggerWriter writer;
  std::visit(writer, trigger.what);
  if (trigger.after > Duration::zero()) writer.add("after", exact(trigger.after));
  return Value::map(std::move(writer.fields));
}

Value to_value(const Schedule& schedule) {
  std::vector<Value> decisions;
  for (const Decision& decision : schedule.decisions) decisions.push_back(to_value(decision));
  return Value::map(
      {{"version", 1}, {"seed", number(schedule.seed)}, {"decisions", Value::list(std::move(decisions))}});
}

Result<Schedule> schedule_from_value(const Value& value, const Nodes& nodes) {
  constexpr std::array<std::string_view, 3> fields{"version", "seed", "decisions"};
  if (const auto checked = only_fields(value, "a schedule", fields); !checked) return checked.error();
  if (const Value& version = value.get("version"); version != Value(1)) {
    return Error::bad_input(fmt::format("a schedule of version {} cannot be read", clip(version.to_string(), 80)),
                            "known: 1");
  }
  const auto seed = read_number(value.get("seed"), "'seed'", 0);
  if (!seed) return seed.error();
  const Value& decisions = value.get("decisions");
  if (!decisions.is_list()) return Error::bad_input("'decisions' is no list: " + clip(decisions.to_string(), 80));
  Schedule schedule{.seed = seed.value(), .decisions = {}};
  for (std::size_t i = 0; i < decisions.as_list().size(); ++i) {
    auto decision = read_decision(decisions.as_list()[i], nodes);
    if (!decision) {
      Error error = decision.error();
      error.message = fmt::format("decision {} of {}: {}", i + 1, decisions.as_list().size(), error.message);
      return error;
    }
    schedule.decisions.push_back(std::move(decision).value());
  }
  if (const auto checked = check_references(schedule.decisions); !checked) return checked.error();
  return schedule;
}

}  // namespace faultline
