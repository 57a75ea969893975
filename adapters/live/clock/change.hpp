// What a change of a clock does to the list of its segments: pure arithmetic on pages.hpp.
#pragma once

#include <cstdint>

#include <faultline/live/clock.hpp>

#include "pages.hpp"

namespace faultline::live::clock {

// What the process sees at the true time t.
std::int64_t seen_at(const Warp& warp, std::int64_t t);

// The warp with the change in force from `at` on. Before it nothing changes; at it the clock is continuous, but for jumps, resets that step,
// and strobes, which end when the next change begins. REQUIRES: now <= at; check_change(change) passed; no change but the end of a slew
// lies between the two.
Warp changed(const Warp& warp, const ClockChange& change, bool monotonic, std::int64_t now, std::int64_t at);

// When the last change in the list comes into force, e.g. the end of a slew; 0 if everything has.
std::int64_t settles_at(const Warp& warp, std::int64_t now);

}  // namespace faultline::live::clock
