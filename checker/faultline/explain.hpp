// What is left of a history once an anomaly is explained: a history of a few operations that is itself not
// linearizable.
//
// Shrinking is by relaxation: a relaxed operation loses its result and its deadline, it may have happened at any time
// after its invocation, with any result, or never. Every legal order of the history is then a legal order of the
// relaxed one. So a small history that has none proves that the large one has none. Deleting operations proves nothing:
// without its write, a correct read looks wrong.
#pragma once

#include <faultline/history.hpp>
#include <faultline/verdict.hpp>

namespace faultline {

// The core's events as they were, the context's as `info`, and, if the anomaly contradicts an operation that failed,
// that one too; everything with its process, times, lines and extras. Checked with the same model and options it is
// invalid. REQUIRES: the anomaly was found in this history.
History minimal_history(const History& history, const Anomaly& anomaly);

}  // namespace faultline
