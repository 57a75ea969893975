// Schedules and runs: the schedule a run performed, and the run that performs a schedule.
#include <faultline/nemesis.hpp>
#include <faultline/schedule.hpp>

#include <algorithm>

#include "strict.hpp"

namespace faultline {

namespace {

// How long it may take to see that something has happened, if nobody ends the wait.
constexpr Duration look_again = std::chrono::milliseconds(20);

// A decision that begins, or ends.
struct Due {
  Instant time;
  std::size_t decision;
  bool ends = false;
};

bool is_before(const Due& a, const Due& b) { return a.time < b.time; }

struct Plan {
  std::vector<Decision> decisions;
  HasHappened happened;
};

// In order, each as soon as its time has come and the nemesis is free.
struct Performance final : Generator::Node {
  Step op(const Context& context) const override;
  [[nodiscard]] std::optional<Generator> update(const Context& context, const Event& event) const override;

  std::shared_ptr<const Plan> plan;
  std::vector<Due> due;              // by time
  std::vector<std::size_t> watched;  // wait for a frame, a call or a role
  std::vector<std::size_t> patient;  // wait for the heal of another

 private:
  void add(Due one) { due.insert(std::upper_bound(due.begin(), due.end(), one, is_before), one); }
  [[nodiscard]] const EventTrigger& trigger(std::size_t decision) const {
    return std::get<EventTrigger>(plan->decisions[decision].when);
  }
  [[nodiscard]] bool sees_events();
  [[nodiscard]] Step ask(const Context& context) const;
  [[nodiscard]] Step perform(const Context& context) const;
};

// Moves those whose event has come; whether there were any.
bool Performance::sees_events() {
  const auto moved = std::erase_if(watched, [&](std::size_t decision) {
    const auto when = plan->happened(plan->decisions[decision].id);
    if (when) add({*when + trigger(decision).after, decision});
    return when.has_value();
  });
  return moved > 0;
}

Step Performance::op(const Context& context) const {
  if (watched.empty()) return ask(context);
  auto seen = std::make_shared<Performance>(*this);
  if (!seen->sees_events()) return ask(context);
  Step step = seen->ask(context);
  if (!step.next) step.next = Generator(std::move(seen));
  return step;
}

Step Performance::ask(const Context& context) const {
  const Instant next_look = watched.empty() ? never : context.now + look_again;
  if (!due.empty()) {
    return due.front().time <= context.now ? perform(context) : Step::pending(std::min(due.front().time, next_look));
  }
  const bool is_busy = !context.free.contains(nemesis_worker);
  return watched.empty() && (patient.empty() || !is_busy) ? Step::exhausted() : Step::pending(next_look);
}

Step Performance::perform(const Context& context) const {
  const auto [time, index, ends] = due.front();
  const Decision& decision = plan->decisions[index];
  auto rest = std::make_shared<Performance>(*this);
  rest->due.erase(rest->due.begin());
  const auto* on = std::get_if<EventTrigger>(&decision.when);
  if (on != nullptr && !ends && decision.lasts && *decision.lasts < never - context.now)
    rest->add({context.now + *decision.lasts, index, true});
  Step step = Step::invoke(context.only(WorkerSet::of(nemesis_worker)),
                           {(ends ? "stop-" : "start-") + decision.fault.kind, to_value(decision.fault), {}},
                           Generator(std::move(rest)));
  if (!step.is_invoke()) return step;
  step.event = step.event.with("decision", static_cast<std::int64_t>(decision.id));
  if (on != nullptr && !ends) step.event = step.event.with("on", to_value(*on));
  return step;
}

// The end of a fault is what others may wait for.
std::optional<Generator> Performance::update(const Context&, const Event& event) const {
  if (patient.empty() || event.type == EventType::invoke || !event.f.starts_with("stop-")) return std::nullopt;
  const Value& ended = event.extra.get("decision");
  auto next = std::make_shared<Performance>(*this);
  const auto moved = std::erase_if(next->patient, [&](std::size_t decision) {
    const auto awaited = static_cast<std::int64_t>(std::get<HealTrigger>(trigger(decision).what).decision);
    if (ended != Value(awaited)) return false;
    next->add({event.time + trigger(decision).after, decision});
    return true;
  });
  if (moved == 0) return std::nullopt;
  return Generator(std::move(next));
}

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

// The event that it followed, if it can be waited for again.
std::optional<EventTrigger> event_of(const Event& note, const Schedule& so_far) {
  const Value& told = note.extra.get("on");
  if (told.is_null()) return std::nullopt;
  auto trigger = trigger_from_value(told, {});
  if (!trigger) return std::nullopt;
  const auto* heal = std::get_if<HealTrigger>(&trigger.value().what);
  const bool is_known =
      heal == nullptr || std::any_of(so_far.decisions.begin(), so_far.decisions.end(),
                                     [&](const Decision& decision) { return decision.id == heal->decision; });
  return is_known ? std::optional(std::move(trigger).value()) : std::nullopt;
}

}  // namespace

Result<Generator> replay(const Schedule& schedule, HasHappened happened) {
  auto plan = std::make_shared<const Plan>(Plan{schedule.decisions, std::move(happened)});
  Performance start;
  std::string unseen;
  for (std::size_t i = 0; i < plan->decisions.size(); ++i) {
    const Decision& decision = plan->decisions[i];
    if (const auto* at = std::get_if<Duration>(&decision.when)) {
      start.due.push_back({Instant(*at), i});
      if (decision.lasts && *decision.lasts < Duration::max() - *at)
        start.due.push_back({Instant(*at + *decision.lasts), i, true});
    } else if (std::holds_alternative<HealTrigger>(std::get<EventTrigger>(decision.when).what)) {
      start.patient.push_back(i);
    } else {
      start.watched.push_back(i);
      unseen += fmt::format("{}{}", unseen.empty() ? "" : ", ", decision.id);
    }
  }
  if (!plan->happened && !unseen.empty()) {
    return Error::bad_input(
        fmt::format("nobody watches here for the events that decisions of this schedule wait for: {}", unseen),
        "give these decisions an \"at\" instead of their \"on\"");
  }
  std::stable_sort(start.due.begin(), start.due.end(), is_before);
  start.plan = std::move(plan);
  return make_generator<Performance>(std::move(start));
}

Schedule schedule_from_history(const History& history, std::uint64_t seed) {
  struct Begun {
    std::size_t decision;
    Duration at;
  };
  Schedule schedule{.seed = seed, .decisions = {}};
  std::vector<Begun> active;  // oldest first
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
      active.push_back({schedule.decisions.size(), at});
      Decision decision{.id = id_of(event, schedule), .when = at, .lasts = {}, .fault = fault.value()};
      if (auto on = event_of(event, schedule)) decision.when = std::move(*on);
      schedule.decisions.push_back(std::move(decision));
    } else if (event.f == "stop-" + fault.value().kind) {
      const auto ended = std::find_if(active.begin(), active.end(), [&](const Begun& begun) {
        return schedule.decisions[begun.decision].fault == fault.value();
      });
      if (ended == active.end()) continue;
      schedule.decisions[ended->decision].lasts = std::max(Duration::zero(), at - ended->at);
      active.erase(ended);
    }
  }
  return schedule;
}

}  // namespace faultline
