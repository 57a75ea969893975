// Problem and SearchResult: what every engine takes and returns. Private to checker/.
//
// A Problem is one key's operations, reduced to what matters: failed ones are gone (or have become observations), operations that
// constrain nothing are gone, positions are those of the history's events. Engines are interchangeable: same Problem, same verdict.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include <faultline/model.hpp>
#include <faultline/verdict.hpp>

namespace faultline {

inline constexpr std::int64_t unversioned = std::numeric_limits<std::int64_t>::min();

// One operation to be placed. `completed` == none: open, may be placed at any time after `invoked`, or never.
struct Item {
  OperationIndex operation = none;
  EventIndex invoked = 0;
  EventIndex completed = none;
  Call call;
  std::int64_t version = unversioned;  // of the object, as the result names it: the one that was read, or made
};

// Items by `invoked`; all positions differ. Intervals that touch overlap.
using Items = std::vector<Item>;

// Limits of one search, polled at least every 1,000 steps. Stops once `stop` is true; `memory_left` counts what the engine holds.
struct Budget {
  std::function<bool()> stop;               // time is up or the user interrupted; empty: never
  std::uint64_t memory_limit = UINT64_MAX;  // bytes
};

struct SearchResult {
  VerdictKind kind = VerdictKind::unknown;
  std::vector<std::uint32_t>
      order;  // indices into items. valid: a complete legal order (open items that never happened left out);
              // otherwise the deepest legal prefix found
  EventIndex died_at =
      none;  // invalid: the completion no configuration survives; the history up to it is already invalid
  std::vector<std::uint32_t>
      core;  // invalid: items that contradict each other by themselves, if the engine knows; else empty
  std::string engine;
  std::string reason;  // unknown: "time limit" | "memory limit" | "interrupted"
  SearchCost cost;
};

}  // namespace faultline
