#include "node_clock.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace faultline::live {
namespace {

Error wrong(const std::string& what) {
  return Error::bad_input(
      "fault 'clock': " + what,
      R"(write e.g. {"clock":"wall","change":"jump","by":"2s"}; see the other changes rate, strobe, freeze)");
}

Result<Duration> duration_of(const Value& parameters, const std::string& name) {
  const Value& value = parameters.get(name);
  if (!value.is_string()) return wrong("'" + name + "' must be a duration such as \"200ms\"");
  const bool negative = value.as_text().starts_with('-');
  auto parsed = parse_duration(value.as_text().substr(negative ? 1 : 0));
  if (!parsed) return wrong("'" + name + "': " + parsed.error().message);
  return negative ? -parsed.value() : parsed.value();
}

// The fields each change takes besides `clock` and `change`.
const std::map<std::string_view, std::pair<ClockChange::Kind, std::set<std::string_view>>>& changes_by_name() {
  using Kind = ClockChange::Kind;
  static const std::map<std::string_view, std::pair<Kind, std::set<std::string_view>>> changes = {
      {"jump", {Kind::jump, {"by"}}},
      {"rate", {Kind::rate, {"rate"}}},
      {"strobe", {Kind::strobe, {"by", "period"}}},
      {"freeze", {Kind::freeze, {}}}};
  return changes;
}

Result<ClockGroup> group_of(const Value& parameters) {
  static const std::map<std::string_view, ClockGroup> groups = {
      {"wall", ClockGroup::wall}, {"mono", ClockGroup::mono}, {"both", ClockGroup::both}};
  const Value& value = parameters.get("clock");
  if (value.is_null()) return ClockGroup::wall;
  const auto found = value.is_string() ? groups.find(value.as_text()) : groups.end();
  if (found == groups.end()) return wrong("'clock' must be \"wall\", \"mono\" or \"both\"");
  return found->second;
}

Result<void> check_fields(const Value& parameters, const std::set<std::string_view>& allowed) {
  for (const auto& [name, value] : parameters.as_map()) {
    const std::string_view field = name.is_string() ? name.as_text() : "?";
    if (field == "target" || field == "fallback") continue;  // how its nodes were chosen
    if (field != "clock" && field != "change" && !allowed.contains(field))
      return wrong("this change takes no field '" + std::string(field) + "'");
  }
  return {};
}

}  // namespace

Result<ClockChange> clock_change_of(const Fault& fault) {
  const Value& parameters = fault.parameters;
  if (!parameters.is_map()) return wrong("it has no parameters");
  const Value& name = parameters.get("change");
  const auto found = name.is_string() ? changes_by_name().find(name.as_text()) : changes_by_name().end();
  if (found == changes_by_name().end()) return wrong("'change' must be \"jump\", \"rate\", \"strobe\" or \"freeze\"");
  const auto& [kind, fields] = found->second;
  if (auto checked = check_fields(parameters, fields); !checked) return checked.error();
  const auto group = group_of(parameters);
  if (!group) return group.error();
  ClockChange change{.group = group.value(), .kind = kind};
  if (fields.contains("by")) {
    const auto by = duration_of(parameters, "by");
    if (!by) return by.error();
    change.by = by.value();
  }
  if (fields.contains("period")) {
    const auto period = duration_of(parameters, "period");
    if (!period) return period.error();
    change.period = period.value();
  }
  if (fields.contains("rate")) {
    const Value& rate = parameters.get("rate");
    if (!rate.is_real() && !rate.is_integer()) return wrong("'rate' must be a number such as 0.3");
    change.rate = rate.is_real() ? rate.as_real() : static_cast<double>(rate.as_integer());
  }
  if (auto checked = check_change(change); !checked) return wrong(checked.error().message);
  return change;
}

bool is_beyond_model(const ClockChange& change) {
  if (change.group == ClockGroup::wall) return false;
  return change.kind == ClockChange::Kind::strobe ||
         (change.kind == ClockChange::Kind::jump && change.by < Duration::zero());
}

Result<void> NodeClock::intend(const ClockUndo& undo) {
  auto intent = leftovers_->intend_clock(undo, name_);
  if (!intent) return intent.error();
  if (intent_) leftovers_->healed(*intent_);
  intent_ = intent.value();
  return {};
}

Result<void> NodeClock::change(pid_t pid, const ClockChange& change) {
  if (fault_ && fault_->pid() != pid) forget();
  if (!patched_) {
    const auto journal = [this](const ClockUndo& undo) { return intend(undo); };
    if (fault_) {
      if (auto again = fault_->reattach(journal); !again) return again;
    } else {
      auto attached = ClockFault::attach(pid, journal);
      if (!attached) return attached.error();
      fault_.emplace(std::move(attached).value());
    }
    patched_ = true;
  }
  return fault_->set(change);
}

Result<void> NodeClock::launch(pid_t pid, const std::function<Result<void>()>& release,
                               const std::vector<ClockChange>& changes) {
  forget();
  start_error_.reset();
  std::optional<Result<void>> released;
  const auto release_once = [&] {
    if (!released) released = release();
    return *released;
  };
  auto attached = ClockFault::attach_at_exec(
      pid, release_once, [this](const ClockUndo& undo) { return intend(undo); }, changes);
  if (attached) {
    fault_.emplace(std::move(attached).value());
    patched_ = true;
  } else {
    start_error_ = attached.error();
  }
  return release_once();
}

std::uint64_t NodeClock::reads(ClockGroup group) const {
  const ClockReads reads = fault_->reads();
  return (group == ClockGroup::mono ? 0 : reads.wall) + (group == ClockGroup::wall ? 0 : reads.mono);
}

Result<void> NodeClock::reset() { return fault_->set({.group = ClockGroup::both, .kind = ClockChange::Kind::reset}); }

Result<void> NodeClock::restore() {
  if (!patched_) return {};
  if (auto restored = fault_->restore(); !restored) return restored;
  patched_ = false;
  if (intent_) leftovers_->healed(*intent_);
  intent_.reset();
  return {};
}

void NodeClock::forget() {
  fault_.reset();
  patched_ = false;
  if (intent_) leftovers_->healed(*intent_);
  intent_.reset();
}

}  // namespace faultline::live
