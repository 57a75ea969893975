// Configuration: one way the register may have got here, reduced to what still matters. And what engines share about
// them.
#pragma once

#include "interner.hpp"
#include "trace.hpp"

namespace faultline::registers {

// Each reduction of the search, to be switched off by differential tests. The exchange arguments are in moves.hpp.
struct Prunings {
  bool twins = true;       // of equal operations only the one due first
  bool progress = true;    // a write due becomes visible only if somebody may notice
  bool absorption = true;  // a write due that stands before the last blind write serves its readers there at no cost
  bool dominance = true;   // drop what another configuration can imitate
  bool forgetting = true;  // values and places nobody can make use of are all the same
};

template <class M>
struct Configuration {
  ValueId value = 0;        // now
  Time blind = 0;           // limit of the gap before the last blind write; 0: there is none
  Interner::Id places = 0;  // tails and loops
  Interner::Id uses = 0;    // pairs of counted class and number used
  std::uint32_t cost = 0;   // open operations used in all
  Trace::Node node = Trace::root;
  M placed;  // reads and failed cas that have been satisfied, writes and cas that have been used
  M bare;    // writes that nothing hides yet
};

// A place of the walk, other than its end and its gap, where a chain may be inserted.
struct Spot {
  ValueId value = 0;
  Time limit = 0;
  bool tail = false;  // else a loop: what is inserted must come back to `value`

  friend auto operator<=>(const Spot&, const Spot&) = default;
};

}  // namespace faultline::registers
