// What both searches ask before they follow a move: does it matter for the completion at hand, and is its state refuted
// by results that are still to come?
#pragma once

#include <algorithm>
#include <vector>

#include <faultline/space.hpp>

#include "uses.hpp"
#include "window.hpp"

namespace faultline::search {

// The operations in flight that can matter for a completion: the completing one, and whatever does not commute with one
// that can. Exchange: in a legal order, the others placed before it commute with all these, so each may move behind the
// completing operation; it is in flight or open, so no deadline forbids that.
template <class Mask>
class Relevance {
 public:
  void find(const Window<Mask>& window, const CallTable& calls, const Space& space) {
    slots_ = Mask();
    open_.assign(window.open_classes().size(), false);
    std::vector<CallClass> to_follow{window[window.slot()].call};
    slots_.set(window.slot());
    while (!to_follow.empty()) {
      const Call& call = calls.call(to_follow.back());
      to_follow.pop_back();
      const auto visit = [&](std::size_t slot) {
        if (slots_.test(slot) || space.commute(call, calls.call(window[slot].call))) return;
        slots_.set(slot);
        to_follow.push_back(window[slot].call);
      };
      window.mutators().for_each(visit);
      window.observers().for_each(visit);
      for (std::size_t c = 0; c < open_.size(); ++c) {
        const OpenClass& open = window.open_classes()[c];
        if (open_[c] || open.items.empty() || space.commute(call, calls.call(open.call))) continue;
        open_[c] = true;
        to_follow.push_back(open.call);
      }
    }
  }
  [[nodiscard]] bool slot(std::size_t slot) const { return slots_.test(slot); }
  [[nodiscard]] bool open(std::size_t open_class) const { return open_[open_class]; }

 private:
  Mask slots_;
  std::vector<bool> open_;
};

template <class Mask>
class Foresight {
 public:
  // The state to go on with from this configuration: as a rule the one given; `refused` if some completion can no
  // longer be met.
  StateId look(const Window<Mask>& window, Space& space, const Uses& uses, const Mask& placed, StateId state,
               UseId used) {
    if (!space.foresees()) return state;
    unplaced_.clear();
    const auto add = [&](std::size_t slot) { unplaced_.push_back(window[slot].item); };
    window.mutators().without(placed).for_each(add);
    window.observers().without(placed).for_each(add);
    const auto& open_classes = window.open_classes();
    for (std::uint32_t c = 0; c < open_classes.size(); ++c) {
      const auto& items = open_classes[c].items;
      unplaced_.insert(unplaced_.end(), items.begin() + uses.count(used, c), items.end());
    }
    const EventIndex completion = space.refuted(state, unplaced_, window.invoked());
    if (completion == none) return space.simplified(state, unplaced_, window.invoked());
    horizon_ = std::max(horizon_, completion);
    return refused;
  }
  // The latest completion that a refusal rested on: a history cut after it is refuted just the same.
  [[nodiscard]] EventIndex horizon() const { return horizon_; }

 private:
  std::vector<std::uint32_t> unplaced_;
  EventIndex horizon_ = 0;
};

}  // namespace faultline::search
