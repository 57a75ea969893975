// search_generic: the complete search for any model.
//
// The frontier and the depth-first search compete for the answer in slices of steps; the first to decide wins, so the
// result does not depend on clocks or threads. Memory: what is in flight (frontier) plus the depth-first path, which is
// dropped when it takes more than half of what is allowed.
#pragma once

#include <functional>
#include <memory>

#include <faultline/space.hpp>

#include "../problem.hpp"
#include "foresight.hpp"

namespace faultline {

// A factory may end early once the budget says stop; its space is then not used.
using SpaceFactory = std::function<std::unique_ptr<Space>(const Items&, const Budget&)>;

enum class GenericEngine : std::uint8_t { both, frontier, depth_first };

// REQUIRES: items by invocation, all positions distinct.
SearchResult search_generic(const Items& items, const SpaceFactory& make_space, const Budget& budget,
                            GenericEngine engine = GenericEngine::both);

template <Model M>
SearchResult search_generic(const Items& items, const M& model, const Budget& budget,
                            GenericEngine engine = GenericEngine::both) {
  return search_generic(
      items, [&model](const Items& of, const Budget& within) { return search::make_space(model, of, within); }, budget,
      engine);
}

}  // namespace faultline
