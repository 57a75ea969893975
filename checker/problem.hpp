// Problem and SearchResult: what every engine takes and returns. Private to checker/.
//
// A Problem is one key's operations, reduced to what matters: failed ones are gone (or have become observations), operations that
// constrain nothing are gone, positions are those of the history's events. Engines are interchangeable: same Problem, same verdict.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <string_view>
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

// Why a search ended without an answer, as SearchResult::reason tells it.
inline constexpr std::string_view stopped_by_time = "time limit";
inline constexpr std::string_view stopped_by_memory = "memory limit";

// Limits of one search, polled at least every 1,000 steps. The search ends once `stop` is true, and before it holds more
// than the limit; whoever grows a table asks first.
struct Budget {
  std::function<bool()> stop;                  // time is up or the user interrupted; empty: never
  std::uint64_t memory_limit = UINT64_MAX;     // bytes the engine may hold
  std::function<std::string_view()> why = {};  // asked after `stop` was true; empty: stopped_by_time
  bool kind_only = false;  // nobody looks at where it died: an engine that would have to search for that need not

  [[nodiscard]] bool stopped() const { return stop && stop(); }
  [[nodiscard]] std::string why_stopped() const { return std::string(why ? why() : stopped_by_time); }
};

struct SearchResult {
  VerdictKind kind = VerdictKind::unknown;
  std::vector<std::uint32_t>
      order;  // indices into items. valid: a complete legal order (open items that never happened left out);
              // otherwise the deepest legal prefix found; of an unknown one perhaps only the beginning
  std::size_t prefix = 0;  // completed items in the deepest legal prefix, if that is more than `order` holds
  EventIndex died_at =
      none;  // invalid: the completion no configuration survives; the history up to it is already invalid
  std::vector<std::uint32_t>
      core;  // invalid: items that contradict each other by themselves, if the engine knows; else empty
  std::string engine;
  std::string reason;  // unknown: stopped_by_time, stopped_by_memory, what Budget::why says, or what the engine lacks
  SearchCost cost;
};

}  // namespace faultline
