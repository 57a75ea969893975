#include "search.hpp"

#include "contest.hpp"
#include "zones.hpp"

namespace faultline {

namespace registers {

SearchResult search(const Timeline& timeline, const Budget& budget, const SearchOptions& options) {
  if (timeline.slots() <= 64) return Contest<Mask<1>>(timeline, budget, options).run();
  if (timeline.slots() <= 128) return Contest<Mask<2>>(timeline, budget, options).run();
  if (timeline.slots() <= 256) return Contest<Mask<4>>(timeline, budget, options).run();
  return Contest<WideMask>(timeline, budget, options).run();
}

}  // namespace registers

std::optional<RegisterEngine> register_engine(std::string_view name) {
  if (name == "auto") return RegisterEngine::automatic;
  if (name == "zones") return RegisterEngine::zones;
  if (name == "frontier") return RegisterEngine::frontier;
  if (name == "depth-first") return RegisterEngine::depth_first;
  return std::nullopt;
}

SearchResult search_register(const RegisterProblem& problem, const Budget& budget, RegisterEngine which,
                             Witness witness) {
  if (!problem.unfinished.empty()) return {.engine = "none", .reason = problem.unfinished};
  if (which == RegisterEngine::zones || which == RegisterEngine::automatic) {
    if (zones_apply(problem)) {
      SearchResult result = registers::search_zones(problem, budget, witness);
      if (result.kind != VerdictKind::unknown || !result.reason.empty()) return result;
      if (which == RegisterEngine::zones) {
        result.reason = "failed cas that no order found by zones explains";
        return result;
      }
    } else if (which == RegisterEngine::zones) {
      return {.engine = "zones", .reason = "zones need every value to be stored by one operation"};
    }
  }
  const registers::Timeline timeline(problem, budget);
  if (!timeline.unfinished().empty()) return {.engine = "none", .reason = timeline.unfinished()};
  return registers::search(timeline, budget, {.engine = which});
}

SearchResult search_register(const Items& items, const Value& initial, const Budget& budget, RegisterEngine which) {
  return search_register(compile(items, initial, budget), budget, which);
}

}  // namespace faultline
