// From the moves of one configuration to an order of operations.
//
// Walks the events once with that one configuration and puts every operation, seen or hidden, at its position of a
// linked list; the rules are those of moves.hpp, followed here for concrete operations and without masks. Linear in
// events and moves times what is in flight; 16 bytes an operation.
#pragma once

#include "trace.hpp"

namespace faultline::registers {

// The operations of the walk up to, and without, event `until`; nothing if the meter is spent on the way.
// REQUIRES: no class is overdrawn.
std::vector<std::uint32_t> replay(const Timeline& timeline, std::span<const Move> moves, std::size_t until,
                                  Meter& meter);

// Classes of open operations of which the moves use more members than had joined at that time.
std::vector<ClassId> overdrawn(const Timeline& timeline, std::span<const Move> moves);

}  // namespace faultline::registers
