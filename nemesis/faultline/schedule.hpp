// Schedule: a run's faults as data: printed, stored as schedule.json, replayed, shrunk.
//
//   {"version":1,"seed":23496,"decisions":[
//    {"id":1,"at":"2500ms","for":"4s","fault":{"kind":"partition","grudge":{"n2":["n1"],"n3":["n1"]}}},
//    {"id":2,"on":{"frame":"AppendEntries","from":"n2","to":"n3","nth":3},"for":"1s","fault":{"kind":"kill","nodes":["n2"]}}]}
//
// Reading is strict: an unknown kind, field or node is bad input. Durations need units. What a fault leaves open
// (shape, target) is drawn when the decision fires; a schedule taken from a history leaves nothing open.
#pragma once

#include <faultline/fault.hpp>
#include <faultline/generator.hpp>
#include <faultline/grudge.hpp>
#include <faultline/history.hpp>

#include <functional>
#include <optional>
#include <span>
#include <variant>

namespace faultline {

// The nth frame of that name on the link.
struct FrameTrigger {
  std::string frame;
  NodeName from, to;
  std::uint64_t nth = 1;
  friend bool operator==(const FrameTrigger&, const FrameTrigger&) = default;
};
// Before or after the nth system call of that name on a file (a glob, relative to the node's data).
struct CallTrigger {
  std::string call;
  NodeName node;
  std::string file;  // empty: any
  std::uint64_t nth = 1;
  bool after = false;  // "edge": "before" or "after"
  friend bool operator==(const CallTrigger&, const CallTrigger&) = default;
};
// The nth time the node takes the role.
struct RoleTrigger {
  std::string role;  // leader, candidate, follower
  NodeName node;     // empty: any
  std::uint64_t nth = 1;
  friend bool operator==(const RoleTrigger&, const RoleTrigger&) = default;
};
// The end of another decision's fault.
struct HealTrigger {
  std::uint64_t decision = 0;
  friend bool operator==(const HealTrigger&, const HealTrigger&) = default;
};
struct EventTrigger {
  std::variant<FrameTrigger, CallTrigger, RoleTrigger, HealTrigger> what;
  Duration after{};  // further delay
  friend bool operator==(const EventTrigger&, const EventTrigger&) = default;
};

struct Decision {
  std::uint64_t id = 0;                       // >= 1, unique in its schedule
  std::variant<Duration, EventTrigger> when;  // since the run began, or an event
  std::optional<Duration> lasts;              // absent: until the run heals everything
  Fault fault;
  friend bool operator==(const Decision&, const Decision&) = default;
};

struct Schedule {
  std::uint64_t seed = 0;
  std::vector<Decision> decisions;
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// {"role":"leader","nth":2,"after":"20ms"}, as in a decision's "on".
Value to_value(const EventTrigger& trigger);
Result<EventTrigger> trigger_from_value(const Value& value, const Nodes& nodes);

// Of version 1, the only one. Durations are written exactly, in the largest unit that divides them.
Value to_value(const Schedule& schedule);
// `nodes`: those of the cluster; empty: not known, any name will do.
Result<Schedule> schedule_from_value(const Value& value, const Nodes& nodes);

// What was really done, from the notes of a history: faults that were applied, as they were resolved, at the time they
// were asked for, or at the event, where the note tells of one.
Schedule schedule_from_history(const History& history, std::uint64_t seed);

// Whether, and when, what a decision waits for has happened: a frame, a call, a role. Asked again and again, of these
// decisions alone, until it says a time; it never takes that back. (The heal of another decision is seen in the
// history.)
using HasHappened = std::function<std::optional<Instant>(std::uint64_t decision)>;

// Performs the schedule as process -1, at its times since the run began and after the events it waits for; a decision
// that is late happens at once. What lasts, lasts from when it was asked for, if it waited for an event. Invocations
// carry the extra `decision`, and `on` with the trigger if there is one. Without `happened`, a schedule that waits for
// frames, calls or roles is refused, naming the decisions.
Result<Generator> replay(const Schedule& schedule, HasHappened happened = {});

}  // namespace faultline
