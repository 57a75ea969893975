// The stale read with the widest gap: of all that prove a key wrong, the one a person believes at first sight.
#pragma once

#include <faultline/history.hpp>

#include <vector>

#include "../problem.hpp"

namespace faultline {

// Write of v, write of w, read of v, each over before the next began, with v written only once and the gap between the last two as wide
// as can be; as indices into items, by invocation. Empty if there is none. Such a core has no legal order: v is gone when the read
// begins and cannot come back. Near-linear.
std::vector<std::uint32_t> widest_stale_read(const History& history, const Items& items);

}  // namespace faultline
