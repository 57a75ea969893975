// Ledgers: cores too large to search, of objects where counting alone shows that no order explains them.
//
// For the verifier; each argument needs nothing but the items, some of which are open and may never have happened.
//   mutex  Take a moment t. What had returned by then is placed among what had been invoked by then. Acquisitions and releases
//          alternate, so of a free mutex the acquisitions that had returned exceed the releases that had been invoked by one at most, and
//          the releases that had returned exceed no acquisitions at all.
//   set    Nothing is ever taken out. So a read shows all that was added, or shown, before it began, and nothing that was not there at
//          first and no addition of which was invoked before the read returned; each element once; and of two reads one shows all that
//          the other shows.
#pragma once

#include <cstdint>

#include "../problem.hpp"

namespace faultline {

// True only if the items have no legal order. Items by `invoked`.
bool mutex_is_overdrawn(const Items& items, bool held);
bool set_is_contradicted(const Items& items, const Value& initial);

}  // namespace faultline
