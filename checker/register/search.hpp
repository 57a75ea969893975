// The general engines over one timeline: how they share the work. Private to checker/register; tests use it to switch
// reductions off.
#pragma once

#include "configuration.hpp"

namespace faultline::registers {

struct SearchOptions {
  Prunings prunings;
  RegisterEngine engine = RegisterEngine::automatic;  // but not zones
};

SearchResult search(const Timeline& timeline, const Budget& budget, const SearchOptions& options = {});

}  // namespace faultline::registers
