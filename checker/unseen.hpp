// Open updates of a kv store that no result shows: a search need not place them.
//
// An append that never returned may have happened or not. Had it happened, every get between it and the next put that happened would hold
// its text, and a put likewise begins the text of every get up to the next put. So if no get that could have come after it shows that, none
// stands in that stretch of a legal order, and without the update the order is legal still: what it had added is gone with the next put, or
// was never read. Hence a history is linearizable if and only if it is without such updates. Leaving them out matters, for a search that
// keeps them tries every subset of them at every place.
//
// Whether a get shows an update is asked of its text alone (it holds an append's, it begins with a put's), so equal texts only keep an
// update that could be left out.
#pragma once

#include <cstdint>
#include <vector>

#include "problem.hpp"

namespace faultline {

// The positions of the items that remain, ascending; all of them where looking would cost more than it saves. REQUIRES: items of model kv.
std::vector<std::uint32_t> without_unseen_updates(const Items& items);

}  // namespace faultline
