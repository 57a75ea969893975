// Ledgers: cores too large to search, of objects where counting alone shows that no order explains them.
//
// For the verifier; each argument needs nothing but the items, some of which are open and may never have happened.
//   mutex  Take a window between two moments. What was invoked and returned within it happened within it; of what is open, or was under way
//          at some time in it, each may have happened within it. Acquisitions and releases alternate, so the former of the one kind exceed
//          the latter of the other by one at most; and by none in a window from the beginning, if the lock is such that the other kind
//          comes first. A mutex with tokens is one, whatever its tokens.
//   tokens All acquisitions that were given a smaller token come before one that returned, and as many releases between them, which had
//          been invoked by then.
//   set    Nothing is ever taken out. So a read shows all that was added, or shown, before it began, and nothing that was not there at
//          first and no addition of which was invoked before the read returned; each element once; and of two reads one shows all that
//          the other shows.
#pragma once

#include <cstdint>

#include "../problem.hpp"

namespace faultline {

// True only if the items have no legal order. Items by `invoked`; what neither acquires nor releases is not looked at.
bool mutex_is_overdrawn(const Items& items, bool held);
bool tokens_are_overdrawn(const Items& items);  // of a mutex with tokens, free at first
bool set_is_contradicted(const Items& items, const Value& initial);

}  // namespace faultline
