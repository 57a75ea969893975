// Brute force: the dumb twin of every engine. Tries every order that real time allows and asks the model; nothing else.
//
// An operation may come next if no unplaced completed operation returned before it was invoked. The search succeeds
// once every completed operation is placed; open ones are placed anywhere after their invocation, or never. Operations
// are tried in the order of their indices, so the first order found is the smallest. There is no pruning to be wrong
// about; the cost is exponential.
//
// `brute_force_with_memo` serves the verifier for cores of some tens of operations, and the report for the longest legal
// prefix. It gives the same verdict and the same length of the longest prefix, with five savings, each justified by an
// exchange in a given legal order:
//   memo     After a completed operation, a configuration (set of placed operations, state) is not entered twice: what
//            may follow depends on nothing else. (After an open one the rules below look further back, so nothing is
//            remembered there.)
//   twins    Of open operations that ask the same thing the one invoked first is used: none has a deadline, so they may
//            swap.
//   idle     After an open operation comes one to which it makes a difference; otherwise it could be taken out.
//   lazy     An open operation that commutes with the one after it comes second (of two open ones the one with the
//            greater index). Moving it back breaks no deadline, for it has none.
//   unseen   append-list: the list that an open append leaves behind is the beginning of what some read still to come
//            returns; else no read comes after it, and it could be taken out.
//            kv: the text that an open put or append leaves behind is the beginning of the result of a get still to
//            come. If no get sees it before the next put, it could be taken out; and until then texts only grow.
// Of the legal orders with fewest open operations the one with these as late as possible, ties by index, is never cut
// off.
//
// Wing, Gong: "Testing and verifying concurrent objects", 1993.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <map>
#include <vector>

#include <faultline/models.hpp>

#include "../problem.hpp"

namespace faultline {

// The search recurses once per item; of more it says `unknown` at once.
inline constexpr std::size_t max_brute_force_items = 2'000;

struct BruteForceResult {
  VerdictKind kind = VerdictKind::unknown;  // unknown: out of steps, or too many items
  std::vector<std::uint32_t> order;         // valid: a complete legal order; otherwise the longest legal prefix found
  std::uint64_t steps = 0;                  // model steps taken
};

namespace detail {

template <Model M>
class BruteForce {
 public:
  BruteForce(const M& model, const Items& items, std::uint64_t max_steps, bool memo)
      : model_(model), items_(items), max_steps_(max_steps), memo_(memo), placed_(items.size(), false) {}

  BruteForceResult run() {
    if (items_.size() > max_brute_force_items) return {};
    if (memo_) find_twins();
    for (const Item& item : items_) completed_left_ += item.completed != none;
    const bool found = extend(model_.init(), {});
    result_.kind = found ? VerdictKind::valid : out_of_steps_ ? VerdictKind::unknown : VerdictKind::invalid;
    result_.order = found ? order_ : longest_;
    return result_;
  }

 private:
  using State = typename M::State;

  // The open operation just placed, if it was one, and the state it met.
  struct Last {
    std::uint32_t item = none;
    const State* before = nullptr;
  };

  // True if the operations not yet placed can follow `state` legally.
  bool extend(const State& state, const Last& last) {
    if (completed_left_ == 0) return true;
    if (memo_ && last.item == none && !first_visit(state)) return false;
    const EventIndex deadline = earliest_return();
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (placed_[i] || items_[i].invoked > deadline) continue;
      if (result_.steps == max_steps_) out_of_steps_ = true;
      if (out_of_steps_) return false;
      ++result_.steps;
      const std::optional<State> next = model_.step(state, items_[i].call);
      if (!next || (memo_ && needless(last, i, *next))) continue;
      place(i);
      const bool open = items_[i].completed == none;
      if (extend(*next, open ? Last{i, &state} : Last{})) return true;
      take_back(i);
    }
    return false;
  }

  // Of the unplaced operations; `none`, the largest position, if all of them are open.
  EventIndex earliest_return() const {
    EventIndex earliest = none;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (!placed_[i]) earliest = std::min(earliest, items_[i].completed);
    }
    return earliest;
  }

  void place(std::uint32_t i) {
    placed_[i] = true;
    order_.push_back(i);
    if (items_[i].completed == none) return;
    --completed_left_;
    // Longest counts completed operations; among equals the one with fewest open operations, then the first found.
    if (completed_left_ < fewest_left_ || (completed_left_ == fewest_left_ && order_.size() < longest_.size())) {
      fewest_left_ = completed_left_;
      longest_ = order_;
    }
  }

  void take_back(std::uint32_t i) {
    placed_[i] = false;
    order_.pop_back();
    completed_left_ += items_[i].completed != none;
  }

  static bool ask_the_same(const Item& a, const Item& b) {
    const auto unbound = [](const Item& item) { return item.completed == none && !item.call.result_known; };
    return unbound(a) && unbound(b) && a.call.f == b.call.f && a.call.input == b.call.input;
  }

  void find_twins() {
    twins_.resize(items_.size(), none);
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      for (std::uint32_t j = 0; j < i; ++j) {
        if (ask_the_same(items_[i], items_[j])) twins_[i] = j;
      }
    }
  }

  // Whether the next operation, which leads to `after`, may be left to another branch.
  bool needless(const Last& last, std::uint32_t next, const State& after) const {
    const bool open = items_[next].completed == none;
    if (open && twins_[next] != none && !placed_[twins_[next]]) return true;
    if (open && !may_be_seen(after, next)) return true;
    if (last.item == none) return false;
    const std::optional<State> without = model_.step(*last.before, items_[next].call);
    if (!without) return false;
    if (model_.equal(*without, after)) return true;  // idle
    if (open && next > last.item) return false;
    const std::optional<State> swapped = model_.step(*without, items_[last.item].call);
    return swapped && model_.equal(*swapped, after);  // lazy
  }

  bool may_be_seen(const State& state, std::uint32_t next) const {
    if constexpr (std::same_as<M, Kv>) {
      if (items_[next].call.f == "get") return true;
      const std::string text = state.to_string();
      for (std::uint32_t i = 0; i < items_.size(); ++i) {
        const Call& call = items_[i].call;
        if (placed_[i] || items_[i].completed == none || call.f != "get" || !call.result_known) continue;
        if ((call.output.is_null() ? std::string_view() : call.output.as_text()).starts_with(text)) return true;
      }
      return false;
    } else if constexpr (std::same_as<M, AppendList>) {
      if (items_[next].call.f == "read") return true;
      for (std::uint32_t i = 0; i < items_.size(); ++i) {
        const Call& call = items_[i].call;
        if (placed_[i] || items_[i].completed == none || call.f != "read" || call.output.is_null()) continue;
        const auto list = call.output.as_list();
        if (state.size() <= list.size() && state == list.first(state.size())) return true;
      }
      return false;
    } else {
      return true;
    }
  }

  bool first_visit(const State& state) {
    std::vector<State>& seen = visited_[placed_];
    for (const State& other : seen) {
      if (model_.equal(other, state)) return false;
    }
    seen.push_back(state);
    return true;
  }

  const M& model_;
  const Items& items_;
  const std::uint64_t max_steps_;
  const bool memo_;
  std::vector<bool> placed_;
  std::vector<std::uint32_t> twins_;  // the previous open item that asks the same, or none
  std::vector<std::uint32_t> order_, longest_;
  std::size_t completed_left_ = 0;
  std::size_t fewest_left_ = SIZE_MAX;
  bool out_of_steps_ = false;
  std::map<std::vector<bool>, std::vector<State>> visited_;
  BruteForceResult result_;
};

}  // namespace detail

template <Model M>
BruteForceResult brute_force(const M& model, const Items& items, std::uint64_t max_steps = UINT64_MAX) {
  return detail::BruteForce<M>(model, items, max_steps, false).run();
}

// Holds every configuration it met: at most `max_steps` of them.
template <Model M>
BruteForceResult brute_force_with_memo(const M& model, const Items& items, std::uint64_t max_steps) {
  return detail::BruteForce<M>(model, items, max_steps, true).run();
}

}  // namespace faultline
