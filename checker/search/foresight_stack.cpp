#include <algorithm>

#include "foresight.hpp"

namespace faultline::search {

namespace {

bool found_nothing(const Call& call) { return call.f == "pop" && call.result_known && call.output.is_null(); }

}  // namespace

StackSpace::StackSpace(const Stack& model, const Items& items, const Budget& budget)
    : ModelSpace(model), items_(items), last_completion_(items.size()), next_empty_(items.size() + 1, none) {
  Poll poll(budget);
  collect(model.initial, poll);
  for (std::size_t i = items_.size(); i-- > 0 && !poll();) {
    next_empty_[i] = next_empty_[i + 1];
    if (found_nothing(items_[i].call)) next_empty_[i] = std::min(next_empty_[i], items_[i].completed);
  }
  if (!poll.stopped()) refuted_ = broken_life(poll);
}

void StackSpace::collect(const Pile& initial, Poll& poll) {
  initial.for_each([&](const Value& value) { ++lives_[value].pushes; });
  EventIndex latest = 0;
  for (std::uint32_t i = 0; i < items_.size() && !poll(); ++i) {
    const Call& call = items_[i].call;
    if (items_[i].completed != none) latest = std::max(latest, items_[i].completed);
    last_completion_[i] = latest;
    if (call.f == "push") {
      Life& life = lives_[call.input];
      ++life.pushes;
      life.push = i;
    } else if (!call.result_known) {
      open_pop_ = true;
    } else if (!call.output.is_null()) {
      Life& life = lives_[call.output];
      ++life.pops;
      life.pop = i;
      life.last_pop = std::max(life.last_pop, items_[i].completed);
    }
  }
}

// Something was popped more often than it was pushed, or before.
EventIndex StackSpace::broken_life(Poll& poll) const {
  EventIndex earliest = none;
  for (const Item& item : items_) {
    if (poll()) return none;
    const Call& call = item.call;
    if (call.f != "pop" || !call.result_known || call.output.is_null()) continue;
    const Life& life = lives_.at(call.output);
    const bool once = life.pushes == 1 && life.push != none;
    if (life.pops > life.pushes || (once && items_[life.push].invoked > item.completed)) {
      earliest = std::min(earliest, life.last_pop);
    }
  }
  return earliest;
}

const StackSpace::Life* StackSpace::life_of(const Value& value) const {
  const auto found = lives_.find(value);
  const bool once = found != lives_.end() && found->second.pushes == 1 && found->second.pops <= 1;
  return once ? &found->second : nullptr;
}

EventIndex StackSpace::leaves_after(const Life& life) const {
  if (life.pop != none) return items_[life.pop].invoked;
  return open_pop_ ? 0 : never;
}

// What rests on this completion rests on all that was under way then: in a shorter history those pops might have taken anything.
EventIndex StackSpace::settled(EventIndex completion) const {
  const auto behind = std::upper_bound(items_.begin(), items_.end(), completion,
                                       [](EventIndex event, const Item& item) { return event < item.invoked; });
  return last_completion_[static_cast<std::size_t>(behind - items_.begin()) - 1];
}

EventIndex StackSpace::refuted(StateId id, std::span<const std::uint32_t> unplaced, std::uint32_t next) {
  if (refuted_ != none) return refuted_;
  stays_.clear();
  EventIndex empty_by = next_empty_[next];
  for (const std::uint32_t i : unplaced) {
    const Item& item = items_[i];
    if (found_nothing(item.call)) empty_by = std::min(empty_by, item.completed);
    if (item.call.f != "push" || item.completed == none) continue;
    const Life* life = life_of(item.call.input);
    if (life != nullptr && leaves_after(*life) > item.completed)
      stays_.push_back({item.completed, leaves_after(*life)});
  }
  EventIndex latest = 0;  // those looked at so far cannot all be gone before this
  EventIndex broken = none;
  state(id).for_each([&](const Value& value) {
    const Life* life = life_of(value);
    if (life == nullptr) return;
    if (life->pop != none) {
      const Item& pop = items_[life->pop];
      const bool below = std::any_of(stays_.begin(), stays_.end(), [&](const Stay& stay) {
        return stay.from < pop.invoked && pop.completed < stay.to;
      });
      if (below || latest > pop.completed) broken = std::min(broken, pop.completed);
    }
    latest = std::max(latest, leaves_after(*life));
  });
  if (empty_by != none && latest > empty_by) broken = std::min(broken, empty_by);
  return broken == none ? none : settled(broken);
}

}  // namespace faultline::search
