#include <faultline/shrink_schedule.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "draw.hpp"
#include "simpler.hpp"

namespace faultline {

namespace {

using Decisions = std::vector<Decision>;

// What waits for the heal of a decision that is gone would never begin: it goes, too.
Decisions closed(Decisions decisions) {
  for (std::size_t before = decisions.size() + 1; before != decisions.size();) {
    before = decisions.size();
    std::set<std::uint64_t> ids;
    for (const Decision& decision : decisions) ids.insert(decision.id);
    std::erase_if(decisions, [&](const Decision& decision) {
      const auto* trigger = std::get_if<EventTrigger>(&decision.when);
      const auto* heal = trigger == nullptr ? nullptr : std::get_if<HealTrigger>(&trigger->what);
      return heal != nullptr && !ids.contains(heal->decision);
    });
  }
  return decisions;
}

Value key_of(const Scenario& scenario) {
  std::vector<Value> sizes, nodes;
  for (const Size& size : scenario.sizes) sizes.emplace_back(fmt::format("{}", size.value));
  for (const NodeName& node : scenario.nodes) nodes.emplace_back(node);
  return Value::list({to_value(scenario.schedule), Value::list(std::move(sizes)), Value::list(std::move(nodes))});
}

class Shrinker {
 public:
  Shrinker(const Scenario& scenario, const Oracle& failing, const ShrinkOptions& options)
      : best_(scenario), failing_(failing), options_(options) {
    known_.insert(key_of(scenario));
  }

  ShrinkOutcome run() {
    const std::size_t before = best_.schedule.decisions.size();
    for (bool again = true; again && !exhausted_;) {
      again = false;
      remove_decisions();
      again |= shrink_sizes();
      again |= remove_nodes();
      again |= simplify(simpler_faults);
      again |= simplify(simpler_times);
    }
    ShrinkOutcome outcome{.scenario = best_, .candidates = candidates_};
    outcome.removed = before - best_.schedule.decisions.size();
    outcome.minimal = !exhausted_;
    outcome.text =
        fmt::format("{} of {} decision{} remain{} after {} runs{}", best_.schedule.decisions.size(), before,
                    before == 1 ? "" : "s", best_.schedule.decisions.size() == 1 ? "s" : "", candidates_,
                    exhausted_ ? "; the budget ended the search" : "; without any one of them the failure is gone");
    return outcome;
  }

 private:
  // Takes the first of the candidates that still fails. Those behind it may have been asked in vain, side by side with it: they are
  // neither counted nor known, so that the outcome is the same whatever the number at once.
  bool take_first(std::vector<Scenario> candidates) {
    std::erase_if(candidates, [&](const Scenario& candidate) {
      return known_.contains(key_of(candidate));  // asked before: it is larger than the best, or passed
    });
    for (std::size_t at = 0; at < candidates.size() && !exhausted_;) {
      if (candidates_ >= options_.candidates || (options_.stop && options_.stop())) {
        exhausted_ = true;
        return false;
      }
      const std::size_t left = std::min(candidates.size() - at, options_.candidates - candidates_);
      const std::size_t width = std::clamp<std::size_t>(options_.at_once, 1, left);
      const auto from = candidates.begin() + static_cast<std::ptrdiff_t>(at);
      const std::vector<bool> fails = ask({from, from + static_cast<std::ptrdiff_t>(width)});
      for (std::size_t i = 0; i < width; ++i, ++at) {
        known_.insert(key_of(candidates[at]));
        ++candidates_;
        if (!fails[i]) continue;
        best_ = std::move(candidates[at]);
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] std::vector<bool> ask(const std::vector<Scenario>& wave) const {
    if (options_.failing_many) return options_.failing_many(wave);
    std::vector<bool> fails;
    for (const Scenario& candidate : wave) fails.push_back(failing_(candidate));
    return fails;
  }

  bool take(Scenario candidate) {
    std::vector<Scenario> one;
    one.push_back(std::move(candidate));
    return take_first(std::move(one));
  }

  [[nodiscard]] Scenario with_decisions(Decisions decisions) const {
    Scenario candidate = best_;
    candidate.schedule.decisions = closed(std::move(decisions));
    return candidate;
  }

  // ddmin: chunks alone, then all but a chunk, then smaller chunks. Ends when leaving out any single decision was tried.
  void remove_decisions() {
    std::size_t chunks = 1;
    while (!best_.schedule.decisions.empty() && !exhausted_) {
      const std::size_t count = best_.schedule.decisions.size();
      chunks = std::min(chunks, count);
      if (chunks > 1 && keep_a_chunk(chunks)) {
        chunks = 2;
      } else if (drop_a_chunk(chunks)) {
        chunks = std::max<std::size_t>(chunks - 1, 1);
      } else if (chunks >= count) {
        return;
      } else {
        chunks *= 2;
      }
    }
  }

  // The chunk's decisions alone, or all the others.
  [[nodiscard]] Decisions part(std::size_t chunk, std::size_t chunks, bool inside) const {
    const Decisions& all = best_.schedule.decisions;
    const std::size_t from = chunk * all.size() / chunks, to = (chunk + 1) * all.size() / chunks;
    Decisions some;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((i >= from && i < to) == inside) some.push_back(all[i]);
    }
    return some;
  }
  bool keep_a_chunk(std::size_t chunks) { return take_a_part(chunks, true); }
  bool drop_a_chunk(std::size_t chunks) { return take_a_part(chunks, false); }
  bool take_a_part(std::size_t chunks, bool inside) {
    std::vector<Scenario> candidates;
    for (std::size_t chunk = 0; chunk < chunks; ++chunk)
      candidates.push_back(with_decisions(part(chunk, chunks, inside)));
    return take_first(std::move(candidates));
  }

  // The smallest first, then halfway there, then one by one.
  bool shrink_sizes() {
    bool any = false;
    for (std::size_t i = 0; i < best_.sizes.size(); ++i) {
      std::vector<Scenario> candidates;
      const std::uint64_t now = best_.sizes[i].value;
      for (std::uint64_t smallest = best_.sizes[i].smallest; smallest < now; smallest += (now - smallest + 1) / 2) {
        candidates.push_back(best_);
        candidates.back().sizes[i].value = smallest;
      }
      any |= take_first(std::move(candidates));
    }
    return any;
  }

  bool remove_nodes() {
    bool any = false;
    while (best_.nodes.size() > options_.smallest_nodes && !exhausted_) {
      Scenario candidate = best_;
      const NodeName gone = candidate.nodes.back();
      candidate.nodes.pop_back();
      Decisions left;
      for (const Decision& decision : candidate.schedule.decisions) {
        if (auto without = without_node(decision, gone)) left.push_back(std::move(*without));
      }
      candidate.schedule.decisions = closed(std::move(left));
      if (!take(std::move(candidate))) return any;
      any = true;
    }
    return any;
  }

  // One decision after the other, each as simple as it can be.
  bool simplify(std::vector<Decision> (*simpler)(const Decision&)) {
    bool any = false;
    for (std::size_t i = 0; i < best_.schedule.decisions.size(); ++i) {
      for (bool found = true; found && !exhausted_;) {
        std::vector<Scenario> candidates;
        for (Decision& decision : simpler(best_.schedule.decisions[i])) {
          candidates.push_back(best_);
          candidates.back().schedule.decisions[i] = std::move(decision);
        }
        found = take_first(std::move(candidates));
        any |= found;
      }
    }
    return any;
  }

  Scenario best_;
  const Oracle& failing_;
  const ShrinkOptions& options_;
  std::set<Value> known_;
  std::size_t candidates_ = 0;
  bool exhausted_ = false;
};

}  // namespace

ShrinkOutcome shrink_schedule(const Scenario& scenario, const Oracle& failing, const ShrinkOptions& options) {
  return Shrinker(scenario, failing, options).run();
}

}  // namespace faultline
