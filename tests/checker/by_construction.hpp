// Histories that are linearizable by construction: every operation takes effect on one simulated object at one moment
// between its invocation and its completion. One lie may be planted in them. Deterministic, any model, any concurrency,
// any share of open ones.
#pragma once

#include <string_view>

#include <faultline/history.hpp>

namespace faultline::test {

// `stale`: near the end something is reported that was true once, long ago (mutex: one lock is held twice; ids and tokens:
// one is given out again).
// `phantom`: near the end something is reported that was never true (fenced mutex: one lock is held twice). Not for mutexes
// and ids.
enum class Lie { none, stale, phantom };

struct Recipe {
  std::string_view model;
  std::size_t operations = 10'000;
  std::size_t clients = 10;
  std::uint64_t seed = 1;
  double info = 0;          // share of operations that never complete; half of those take effect
  std::int64_t values = 5;  // distinct ones; 0: every written value is new; 1: a counter only changes by 1
  bool versions = false;    // registers: results carry the version of what was read or made
  std::size_t depth = 20;   // of queues, size of sets and lists: about how large the object gets
  std::size_t keys = 1;     // more than 1: keys are 0, 1, …
  Lie lie = Lie::none;
};

History by_construction(const Recipe& recipe);

}  // namespace faultline::test
