// Relaxing: from a key's items and the choice of those kept to a problem that admits more orders.
//
// A relaxed operation loses its result and its deadline: it may have happened at any time after its invocation, or
// never. Every legal order of the items is one of the relaxed problem, so if that has none, the items have none.
// Deleting an operation is another matter: without the write of 1, a correct read of 1 looks wrong. An operation is
// left out only if no legal order needs it:
//   - relaxed observers, and everything invoked after the last kept operation has returned;
//   - relaxed changes that no kept operation can tell from nothing; which those are depends on the model (relax.cpp);
//   - what returned before `since` was invoked; certificate.hpp gives the argument, and the conditions on `since` and on
//     what is kept.
#pragma once

#include "model_view.hpp"

namespace faultline {

// Which items are kept, and from where on.
struct Choice {
  std::vector<bool> kept;      // by index; of no effect on items that are open anyway
  std::uint32_t since = none;  // an index, kept; or none
};

// True for a call after which the state does not depend on what was before, and which is legal at the beginning.
bool settles(const ModelView& model, const Call& call);
// True for a call that settles and is legal in every state: it can be put in front of anything.
bool is_blind(const ModelView& model, const Call& call);

// The kept items as they are, the relaxed ones that matter as open; by invocation. REQUIRES: kept items invoked before
// `since` had returned are blind.
Items relaxed(const ModelView& model, const Items& items, const Choice& choice);

}  // namespace faultline
