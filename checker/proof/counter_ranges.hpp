// Counters too large to search: what two reads alone prove, or one.
//
// For the verifier. Between a read b that returned before another read a was invoked, the counter changed by all that certainly happened
// in between, and by some of what may have happened there: so a is within a range that begins at what b returned. The initial value is a
// read before everything.
#pragma once

#include <cstdint>

#include "../problem.hpp"

namespace faultline {

// True only if some read cannot be right, whatever the order. Items by `invoked`; additions whose sums might wrap around prove nothing.
bool counter_out_of_range(const Items& items, std::int64_t initial);

}  // namespace faultline
