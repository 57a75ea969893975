// The general engines over one timeline: how they share the work. Private to checker/register; tests use it to switch
// reductions off.
#pragma once

#include "configuration.hpp"

namespace faultline {

struct SearchOptions {
  Prunings prunings;
  RegisterEngine engine = RegisterEngine::automatic;  // but not zones
  std::size_t width = 16;                             // of the depth-first search
  std::size_t patience = 64;  // configurations the frontier may hold before others get their turn
};

SearchResult search(const Timeline& timeline, const Budget& budget, const SearchOptions& options = {});

}  // namespace faultline
