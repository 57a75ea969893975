// Fault, Grudge and the FaultPort: faults are data; the nemesis asks for them, a world's port performs them.
//
// In a history a fault is a pair of notes of process -1: `start-KIND` when it is applied and `stop-KIND` when it is
// healed, both with the fault as value; the completion carries what was really done. `heal-all` ends everything.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <faultline/result.hpp>
#include <faultline/value.hpp>

namespace faultline {

// The host of a replica, by name: "n1".
using NodeName = std::string;

// Whose packets each node drops: {"n2": {"n1"}} means n2 hears nothing from n1. Empty: everybody hears everybody.
using Grudge = std::map<NodeName, std::set<NodeName>>;

struct Fault {
  std::string kind;             // "partition", "kill", "pause", "membership", …
  std::vector<NodeName> nodes;  // kill, pause, a membership that shrinks: whom; resolved before it is applied
  Grudge grudge;                // partition: who drops whom
  Value parameters;             // a map of anything else the kind needs, e.g. {"shape": "bridge"}; null if none

  friend bool operator==(const Fault&, const Fault&) = default;
};

// {"kind":"kill","nodes":["n2"],…}; empty fields are left out.
Value to_value(const Fault& fault);
// Refuses unknown fields and wrong types, naming them.
Result<Fault> fault_from_value(const Value& value);

// What a world can do to its nodes. One owner at a time; every call may block (a live world calls it from a thread of
// its own).
struct FaultPort {
  virtual ~FaultPort() = default;

  [[nodiscard]] virtual std::vector<NodeName> nodes() const = 0;
  // The nodes that believe themselves leader now; empty if none answers.
  virtual std::vector<NodeName> primaries() = 0;

  // Whether this world can do it at all; the error says why not and what would make it possible. Never applies
  // anything.
  [[nodiscard]] virtual Result<void> supports(const Fault& fault) const = 0;
  // Applies the fault; the value says what was done, e.g. {"killed":{"n1":4711}} or {"dropped_pairs":4}.
  virtual Result<Value> apply(const Fault& fault) = 0;
  // Ends this fault. Idempotent. The value holds the effect counters, e.g. {"dropped_packets":812}.
  virtual Result<Value> heal(const Fault& fault) = 0;
  // Ends every fault and brings every node back, then probes until nothing of the faults is left or a bound is reached:
  // the value says what was probed ({"reachable_pairs":6,"running":["n1","n2","n3"]}), an error names what is still
  // broken. Idempotent.
  virtual Result<Value> heal_all() = 0;
};

}  // namespace faultline
