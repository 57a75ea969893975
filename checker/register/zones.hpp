// Zones: registers whose values are stored by one operation each. Linear passes; any concurrency, any number of open
// operations.
//
// The *cluster* of a value is the operation that stores it and all reads of it; the initial value was stored before
// everything. A cas from a to b ties the cluster of b to that of a: nothing can happen between a's last read and the
// cas except reads of a, so clusters joined by cas form a *block* that occupies the register without a gap, its
// operations in a fixed sequence up to the order of reads of one value. A plain cluster is a block of its own.
//
// Let f be the earliest completion in a block and s the latest invocation. If f < s, the block holds the register
// throughout [f, s]: it is *forward*. Else every operation of it covers [s, f], and it fits any one point of that: it
// is *backward*. The history is not linearizable iff
//
//   1. a value is seen that was never stored, two cas leave one value, or cas form a ring;
//   2. in the sequence of a block, reads of one value by invocation, an operation completes before an earlier one is
//      invoked;
//   3. two forward zones overlap; or
//   4. a backward zone lies inside a forward one.
//
// Necessary: a block is contiguous, and a unique value is held once. Sufficient: give the operations of a forward block
// the instants max(f, latest invocation up to it in the sequence). These do not decrease, end by s, and precede no
// invocation; and none follows its completion, by the definition of f and by 2. A backward block goes to the instant s,
// or to the end of the forward zone that covers s, which by 4 is before f. Blocks then follow each other without
// overlap.
//
// An open operation whose value nobody is known to have seen did not happen; else it is part of its block and completes
// never. All comparisons are strict: operations that touch overlap.
//
// A failed cas ("differs") breaks the exchange of blocks. With such ones, `invalid` found without them stands, since
// leaving out an observation only admits more; and an order found without them is `valid` if each fits somewhere at its
// fixed instants. Otherwise this engine does not know.
//
// Gibbons, Korach 1997, "Testing shared memories", section 4, for reads and writes; the blocks are ours.
#pragma once

#include "register.hpp"

namespace faultline::registers {

// REQUIRES: zones_apply(problem). Unknown, with no reason, if failed cas leave the question open.
SearchResult search_zones(const RegisterProblem& problem, const Budget& budget, Witness witness = Witness::always);

}  // namespace faultline::registers
