// Event: one line of a history. Operation: an invocation joined with its completion, or still open.
//
// These are plain values handed between rooms; a History stores the same facts in columns.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include <faultline/time.hpp>
#include <faultline/value.hpp>

namespace faultline {

// A logical client: single-threaded, retired after an `info`. The nemesis is process -1.
// A daemon is an operating-system process; never confuse the two.
using Process = std::int64_t;
inline constexpr Process nemesis_process = -1;

// Dense positions in one History, from 0.
using EventIndex = std::uint32_t;
using OperationIndex = std::uint32_t;
inline constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

enum class EventType : std::uint8_t { invoke, ok, fail, info };
std::string_view to_string(EventType type);

struct Event {
  EventType type = EventType::invoke;
  Process process = 0;
  std::string f;  // what is done: "read", "write", "cas", …; for the nemesis the fault's kind
  Value key;      // null when the history is about one object
  Value value;
  Instant time = no_time;
  std::uint32_t line = 0;  // in the file it was read from, from 1; 0 if it was not read from a file
  // Everything else, a map with string keys, or null: "error", "node", "version", "member_id", "raft_term", … and
  // unknown fields.
  Value extra;

  [[nodiscard]] const Value& error() const { return extra.get("error"); }
  [[nodiscard]] const Value& node() const { return extra.get("node"); }
  // A copy with one more extra field (replaces one of the same name).
  [[nodiscard]] Event with(std::string_view name, Value field) const;

  friend bool operator==(const Event&, const Event&) = default;
};

// How an operation ended. `info` and `open` mean the same to the checker: it may have happened at any time after its
// invocation, or never.
enum class Outcome : std::uint8_t { ok, fail, info, open };
std::string_view to_string(Outcome outcome);

struct Operation {
  OperationIndex index = none;
  EventIndex invoked = none;
  EventIndex completed = none;  // none if open
  Outcome outcome = Outcome::open;
  Process process = 0;
  std::string f;
  Value key;
  Value input;   // the invocation's value
  Value output;  // the completion's value; null unless ok or fail

  // It certainly took effect, with the recorded result.
  [[nodiscard]] bool is_ok() const { return outcome == Outcome::ok; }
  // It may or may not have taken effect.
  [[nodiscard]] bool is_open() const { return outcome == Outcome::info || outcome == Outcome::open; }
};

}  // namespace faultline
