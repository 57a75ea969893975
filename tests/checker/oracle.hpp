// The dumb twin of every engine: tries all orders of a few items, with no cleverness at all.
#pragma once

#include <vector>

#include "checker/problem.hpp"

namespace faultline::test {

template <Model M>
class Oracle {
 public:
  Oracle(const Items& items, const M& model) : items_(items), model_(model), placed_(items.size()) {}

  bool linearizable() { return search(model_.init()); }

 private:
  bool search(const typename M::State& state) {
    bool all_completed_placed = true;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!placed_[i] && items_[i].completed != none) all_completed_placed = false;
    }
    if (all_completed_placed) return true;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (placed_[i] || !may_be_next(i)) continue;
      const std::optional<typename M::State> next = model_.step(state, items_[i].call);
      if (!next) continue;
      placed_[i] = true;
      const bool found = search(*next);
      placed_[i] = false;
      if (found) return true;
    }
    return false;
  }

  // Nothing that is still to be placed completed before it was invoked.
  bool may_be_next(std::size_t i) const {
    for (std::size_t j = 0; j < items_.size(); ++j) {
      if (!placed_[j] && items_[j].completed != none && items_[j].completed < items_[i].invoked) return false;
    }
    return true;
  }

  const Items& items_;
  const M& model_;
  std::vector<bool> placed_;
};

// Whether `order` is what a SearchResult promises: every completed item once (all of them if `complete`), open ones at
// most once, real time kept, every step legal.
template <Model M>
bool legal_order(const Items& items, const M& model, const std::vector<std::uint32_t>& order, bool complete) {
  std::vector<bool> placed(items.size());
  typename M::State state = model.init();
  EventIndex latest_invocation = 0;
  for (const std::uint32_t i : order) {
    if (i >= items.size() || placed[i]) return false;
    placed[i] = true;
    latest_invocation = std::max(latest_invocation, items[i].invoked);
    if (items[i].completed != none && items[i].completed < latest_invocation) return false;
    const auto next = model.step(state, items[i].call);
    if (!next) return false;
    state = *next;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (complete && !placed[i] && items[i].completed != none) return false;
  }
  return true;
}

}  // namespace faultline::test
