// Window: the walk over a key's invocations and completions, forwards and backwards, and what is in flight at each
// point.
//
// An item that completes holds a slot from its invocation to its completion; slots are recycled, so masks are as wide
// as the window, not as the history. Open items never leave; they are counted per class of equal calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <queue>
#include <vector>

#include <faultline/space.hpp>

#include "calls.hpp"
#include "mask.hpp"
#include "pace.hpp"

namespace faultline::search {

struct Slot {
  std::uint32_t item = none;
  CallClass call = none;
  EventIndex deadline = none;
};

struct OpenClass {
  CallClass call = none;
  std::vector<std::uint32_t> items;  // invoked so far, in order; spent in this order
};

template <class Mask>
class Window {
 public:
  // Ends early, and is of no use then, once the budget says stop.
  Window(const Items& items, const CallTable& calls, const Space& space, const Budget& budget);

  // The events ahead. An event is an item's invocation, or its completion.
  [[nodiscard]] bool at_end() const { return position_ == events_.size(); }
  [[nodiscard]] std::uint32_t position() const { return position_; }
  [[nodiscard]] std::uint32_t item() const { return events_[position_] >> 1; }
  [[nodiscard]] bool completes() const { return (events_[position_] & 1) != 0; }
  // The slot of the item whose event is next. REQUIRES: it completes, now or later.
  [[nodiscard]] std::size_t slot() const { return slot_of_[item()]; }
  [[nodiscard]] bool opens() const { return items_[item()].completed == none; }
  void forward();
  void back();

  [[nodiscard]] const Slot& operator[](std::size_t slot) const { return slots_[slot]; }
  [[nodiscard]] const Mask& observers() const { return observers_; }  // in flight
  [[nodiscard]] const Mask& mutators() const { return mutators_; }    // in flight, everything else
  // Those in flight that make the same call as this slot and have an earlier deadline.
  [[nodiscard]] const Mask& earlier_twins(std::size_t slot) const { return earlier_twins_[slot]; }
  [[nodiscard]] const std::vector<OpenClass>& open_classes() const { return open_classes_; }
  [[nodiscard]] std::uint32_t invoked() const { return invoked_; }  // items invoked so far: all below this number
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  void enter(std::uint32_t item);
  void leave(std::uint32_t item);

  const Items& items_;
  const CallTable& calls_;
  std::vector<std::uint32_t> events_;   // item * 2, + 1 for its completion
  std::vector<std::uint32_t> slot_of_;  // by item; of open items the open class
  std::vector<bool> observes_;          // by item
  std::uint32_t position_ = 0;
  std::uint32_t invoked_ = 0;
  std::vector<Slot> slots_;
  std::vector<Mask> earlier_twins_;
  Mask observers_, mutators_;
  std::vector<OpenClass> open_classes_;
};

template <class Mask>
Window<Mask>::Window(const Items& items, const CallTable& calls, const Space& space, const Budget& budget)
    : items_(items), calls_(calls), slot_of_(items.size(), none), observes_(items.size()) {
  events_.reserve(items.size() * 2);
  using Completion = std::pair<EventIndex, std::uint32_t>;
  std::priority_queue<Completion, std::vector<Completion>, std::greater<>> completions;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free_slots;
  const auto complete_until = [&](EventIndex limit) {
    while (!completions.empty() && completions.top().first < limit) {
      const std::uint32_t item = completions.top().second;
      completions.pop();
      events_.push_back(item * 2 + 1);
      free_slots.push(slot_of_[item]);
    }
  };
  std::vector<std::uint32_t> class_of_call;  // open class by call class, where there is one
  Poll poll(budget);
  for (std::uint32_t i = 0; i < items.size() && !poll(); ++i) {
    complete_until(items[i].invoked);
    events_.push_back(i * 2);
    observes_[i] = space.observer(items[i].call);
    if (items[i].completed == none) {
      const CallClass call = calls.of(i);
      if (class_of_call.size() <= call) class_of_call.resize(call + 1, none);
      if (class_of_call[call] == none) {
        class_of_call[call] = static_cast<std::uint32_t>(open_classes_.size());
        open_classes_.push_back({.call = call, .items = {}});
      }
      slot_of_[i] = class_of_call[call];
      continue;
    }
    if (free_slots.empty()) {
      slot_of_[i] = static_cast<std::uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot_of_[i] = free_slots.top();
      free_slots.pop();
    }
    completions.emplace(items[i].completed, i);
  }
  complete_until(none);
  FL_ASSERT(slots_.size() <= Mask::capacity);
  earlier_twins_.resize(slots_.size());
}

template <class Mask>
void Window<Mask>::forward() {
  const std::uint32_t i = item();
  if (completes()) {
    leave(i);
  } else if (opens()) {
    open_classes_[slot_of_[i]].items.push_back(i);
  } else {
    enter(i);
  }
  invoked_ += completes() ? 0 : 1;
  ++position_;
}

template <class Mask>
void Window<Mask>::back() {
  --position_;
  const std::uint32_t i = item();
  invoked_ -= completes() ? 0 : 1;
  if (completes()) {
    enter(i);
  } else if (opens()) {
    open_classes_[slot_of_[i]].items.pop_back();
  } else {
    leave(i);
  }
}

template <class Mask>
void Window<Mask>::enter(std::uint32_t item) {
  const std::size_t slot = slot_of_[item];
  slots_[slot] = {.item = item, .call = calls_.of(item), .deadline = items_[item].completed};
  earlier_twins_[slot] = Mask();
  if (observes_[item]) {
    observers_.set(slot);
    return;
  }
  mutators_.for_each([&](std::size_t other) {
    if (slots_[other].call != slots_[slot].call) return;
    if (slots_[other].deadline < slots_[slot].deadline) {
      earlier_twins_[slot].set(other);
    } else {
      earlier_twins_[other].set(slot);
    }
  });
  mutators_.set(slot);
}

template <class Mask>
void Window<Mask>::leave(std::uint32_t item) {
  const std::size_t slot = slot_of_[item];
  slots_[slot] = {};
  if (observes_[item]) {
    observers_.clear(slot);
    return;
  }
  mutators_.clear(slot);
  mutators_.for_each([&](std::size_t other) { earlier_twins_[other].clear(slot); });
}

template <class Mask>
std::uint64_t Window<Mask>::bytes() const {
  return (events_.capacity() + slot_of_.capacity()) * sizeof(std::uint32_t) + observes_.capacity() / 8 +
         slots_.capacity() * (sizeof(Slot) + sizeof(Mask));
}

}  // namespace faultline::search
