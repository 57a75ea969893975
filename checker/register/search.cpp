#include "search.hpp"

#include "contest.hpp"

namespace faultline {

SearchResult search(const Timeline& timeline, const Budget& budget, const SearchOptions& options) {
  if (timeline.slots() <= 64) return Contest<Mask<1>>(timeline, budget, options).run();
  if (timeline.slots() <= 128) return Contest<Mask<2>>(timeline, budget, options).run();
  if (timeline.slots() <= 256) return Contest<Mask<4>>(timeline, budget, options).run();
  return Contest<WideMask>(timeline, budget, options).run();
}

SearchResult search_register(const RegisterProblem& problem, const Budget& budget, RegisterEngine which) {
  const Timeline timeline(problem);
  return search(timeline, budget, {.engine = which});
}

SearchResult search_register(const Items& items, const Value& initial, const Budget& budget, RegisterEngine which) {
  return search_register(compile(items, initial), budget, which);
}

}  // namespace faultline
