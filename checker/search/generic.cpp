#include "generic.hpp"

#include <faultline/assert.hpp>

#include <algorithm>

#include "engine.hpp"

namespace faultline {

namespace {

using search::Progress;

constexpr std::uint64_t first_slice = 20'000;
constexpr std::uint64_t last_slice = 4'000'000;

struct Contestant {
  std::string_view name;
  std::unique_ptr<Space> space;
  std::unique_ptr<search::Engine> engine;
  Progress progress = Progress::running;
};

struct Contest {
  std::vector<Contestant> contestants;

  // Runs all in turn until one decides, or all are spent. Returns the one whose result counts.
  const Contestant& run(std::uint64_t slice) {
    for (;; slice = std::min(slice * 2, last_slice)) {
      for (Contestant& c : contestants) {
        if (c.progress == Progress::running) c.progress = c.engine->advance(slice);
        if (c.progress == Progress::valid || c.progress == Progress::invalid) return c;
      }
      if (over()) return deepest();
    }
  }

  // When one is out of memory the other may go on for as many steps as that one made, and some: it might never end.
  [[nodiscard]] bool over() const {
    std::uint64_t allowed = UINT64_MAX;
    for (const Contestant& c : contestants) {
      if (c.progress != Progress::spent) continue;
      if (!c.engine->pace().out_of_memory()) return true;
      allowed = last_slice + c.engine->pace().steps();
    }
    return std::all_of(contestants.begin(), contestants.end(), [&](const Contestant& c) {
      return c.progress == Progress::spent || c.engine->pace().steps() > allowed;
    });
  }

  [[nodiscard]] const Contestant& deepest() const {
    return *std::max_element(contestants.begin(), contestants.end(), [](const Contestant& a, const Contestant& b) {
      return a.engine->order().size() < b.engine->order().size();
    });
  }
};

}  // namespace

SearchResult search_generic(const Items& items, const SpaceFactory& make_space, const Budget& budget,
                            GenericEngine engine) {
  // Calls, window and events, whatever the search will need.
  if (items.size() * std::uint64_t{32} > budget.memory_limit) {
    return {.engine = "none", .reason = std::string(stopped_by_memory)};
  }
  const search::CallTable calls(items, budget);
  const std::size_t width = search::widest_window(items, budget);
  Budget share = budget;
  if (engine == GenericEngine::both && budget.memory_limit != UINT64_MAX) share.memory_limit /= 2;
  Contest contest;
  // False if the budget ended while it was being made: what there is of it must not be used.
  const auto enter = [&](std::string_view name, auto make) {
    std::unique_ptr<Space> space = make_space(items, budget);
    if (budget.stopped()) return false;
    auto made = make(items, calls, *space, share, width);
    if (budget.stopped()) return false;
    contest.contestants.push_back({.name = name, .space = std::move(space), .engine = std::move(made)});
    return true;
  };
  const auto stopped = [&] { return SearchResult{.engine = "none", .reason = budget.why_stopped()}; };
  if (engine != GenericEngine::depth_first) {
    if (!enter("frontier", search::make_frontier)) return stopped();
    if (engine == GenericEngine::both) {
      Contestant& first = contest.contestants.front();
      first.progress = first.engine->advance(first_slice);
    }
  }
  const bool undecided = contest.contestants.empty() || contest.contestants.front().progress == Progress::running ||
                         contest.contestants.front().progress == Progress::spent;
  if (engine == GenericEngine::depth_first || (engine == GenericEngine::both && undecided)) {
    if (!enter("depth-first", search::make_depth_first) && contest.contestants.empty()) return stopped();
  }
  const Contestant& winner = contest.run(first_slice);
  SearchResult result{.kind = winner.progress == Progress::valid     ? VerdictKind::valid
                              : winner.progress == Progress::invalid ? VerdictKind::invalid
                                                                     : VerdictKind::unknown,
                      .order = winner.engine->order(),
                      .engine = std::string(winner.name),
                      .reason = {}};
  if (result.kind == VerdictKind::invalid) result.died_at = winner.engine->died_at();
  if (result.kind == VerdictKind::unknown) {
    const bool out_of_memory = std::any_of(contest.contestants.begin(), contest.contestants.end(),
                                           [](const Contestant& c) { return c.engine->pace().out_of_memory(); });
    result.reason = out_of_memory ? std::string(stopped_by_memory) : budget.why_stopped();
  }
  for (const Contestant& c : contest.contestants) {
    result.cost.configurations += c.engine->configurations();
    result.cost.peak_bytes += c.engine->pace().peak_bytes();
  }
  return result;
}

}  // namespace faultline
