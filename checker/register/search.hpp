// The general engines over one timeline. Private to checker/register; tests use it to switch reductions off.
#pragma once

#include "configuration.hpp"

namespace faultline {

struct FrontierOptions {
  Prunings prunings;
  bool certificate = true;  // keep the moves, so that `order` can be told
};

SearchResult search_frontier(const Timeline& timeline, const Budget& budget, const FrontierOptions& options = {});

}  // namespace faultline
