// Schedules and runs: the schedule a run performed, and the run that performs a schedule.
#include <faultline/nemesis.hpp>
#include <faultline/schedule.hpp>

#include <algorithm>

#include "strict.hpp"

namespace faultline {

namespace {

struct Due {
  Instant time;
  Invocation invocation;
};

// In order, each as soon as its time has come and the nemesis is free.
struct Timetable final : Generator::Node {
  using List = std::shared_ptr<const std::vector<Due>>;
  Timetable(List l, std::size_t i) : list(std::move(l)), index(i) {}
  Step op(const Context& context) const override {
    if (index >= list->size()) return Step::exhausted();
    if (context.now < (*list)[index].time) return Step::pending((*list)[index].time);
    return Step::invoke(context.only(WorkerSet::of(nemesis_worker)), (*list)[index].invocation,
                        make_generator<Timetable>(list, index + 1));
  }
  List list;
  std::size_t index;
};

// A world that performs a schedule by itself tells which decision it was; else they are counted.
std::uint64_t id_of(const Event& note, const Schedule& so_far) {
  std::uint64_t largest = 0;
  const Value& told = note.extra.get("decision");
  bool is_free = told.is_integer() && told.as_integer() >= 1;
  for (const Decision& decision : so_far.decisions) {
    largest = std::max(largest, decision.id);
    is_free = is_free && decision.id != static_cast<std::uint64_t>(told.as_integer());
  }
  return is_free ? static_cast<std::uint64_t>(told.as_integer()) : largest + 1;
}

}  // namespace

Result<Generator> replay(const Schedule& schedule) {
  std::vector<Due> list;
  std::string unperformed;
  for (const Decision& decision : schedule.decisions) {
    const auto* at = std::get_if<Duration>(&decision.when);
    if (at == nullptr) {
      unperformed += fmt::format("{}{}", unperformed.empty() ? "" : ", ", decision.id);
      continue;
    }
    const Value fault = to_value(decision.fault);
    const Instant start = Instant(*at);
    list.push_back({start, {"start-" + decision.fault.kind, fault, {}}});
    if (decision.lasts && *decision.lasts < Duration::max() - *at) {
      list.push_back({start + *decision.lasts, {"stop-" + decision.fault.kind, fault, {}}});
    }
  }
  if (!unperformed.empty()) {
    return Error::bad_input(fmt::format("this run knows only times as triggers; of events: decision {}", unperformed),
                            "give these decisions an \"at\" instead of their \"on\"");
  }
  std::stable_sort(list.begin(), list.end(), [](const Due& a, const Due& b) { return a.time < b.time; });
  return make_generator<Timetable>(std::make_shared<const std::vector<Due>>(std::move(list)), 0U);
}

Schedule schedule_from_history(const History& history, std::uint64_t seed) {
  Schedule schedule{.seed = seed, .decisions = {}};
  std::vector<std::size_t> active;  // decisions, oldest first
  Instant asked{};
  for (const EventIndex note : history.notes()) {
    const Event event = history.event(note);
    if (event.type == EventType::invoke) {
      asked = event.time == no_time ? Instant{} : event.time;
      continue;
    }
    const auto fault = fault_of_note(event.value);
    if (!fault) continue;  // heal-all, or notes of another tool
    const Duration at = asked.time_since_epoch();
    if (event.f == "start-" + fault.value().kind && event.error().is_null()) {
      active.push_back(schedule.decisions.size());
      schedule.decisions.push_back({.id = id_of(event, schedule), .when = at, .lasts = {}, .fault = fault.value()});
    } else if (event.f == "stop-" + fault.value().kind) {
      const auto ended = std::find_if(active.begin(), active.end(),
                                      [&](std::size_t i) { return schedule.decisions[i].fault == fault.value(); });
      if (ended == active.end()) continue;
      Decision& decision = schedule.decisions[*ended];
      decision.lasts = std::max(Duration::zero(), at - std::get<Duration>(decision.when));
      active.erase(ended);
    }
  }
  return schedule;
}

}  // namespace faultline
