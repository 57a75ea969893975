#include "timeline.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

namespace faultline::registers {

Timeline::Timeline(const RegisterProblem& problem) : problem_(&problem) {
  FL_ASSERT(problem.operations.size() < (1U << 30));
  measure_values();
  lay_out(events_in_order());
}

void Timeline::measure_values() {
  last_reader_.assign(problem_->values, 0);
  last_mention_.assign(problem_->values, 0);
  const auto raise = [](Time& time, Time to) { time = std::max(time, to); };
  for (std::uint32_t o = 0; o < problem_->operations.size(); ++o) {
    const RegisterOperation& op = operation(o);
    const Time end = completed(o);
    switch (op.kind) {
      case RegisterKind::read:
        raise(last_reader_[op.from], end);
        raise(last_mention_[op.from], end);
        break;
      case RegisterKind::write: raise(last_mention_[op.to], end); break;
      case RegisterKind::cas:
        raise(last_reader_[op.from], end);
        raise(last_mention_[op.from], end);
        raise(last_mention_[op.to], end);
        break;
      case RegisterKind::differs:
        raise(last_differs_, end);
        raise(last_mention_[op.from], end);
        break;
      case RegisterKind::nothing: break;
    }
  }
}

// Operation << 1 | is completion. Invocations are sorted already; completions are sorted by a table over positions
// where those are dense, else by comparison.
std::vector<std::uint32_t> Timeline::events_in_order() const {
  const auto& ops = problem_->operations;
  std::vector<std::uint32_t> completions;
  EventIndex last = 0;
  std::size_t closing = 0;
  for (const RegisterOperation& op : ops) {
    if (op.kind == RegisterKind::nothing || op.open()) continue;
    last = std::max(last, op.completed);
    ++closing;
  }
  completions.reserve(closing);
  if (last / 16 <= ops.size()) {
    std::vector<std::uint32_t> at(std::size_t{last} + 1, none);
    for (std::uint32_t o = 0; o < ops.size(); ++o) {
      if (ops[o].kind != RegisterKind::nothing && !ops[o].open()) at[ops[o].completed] = o;
    }
    for (const std::uint32_t o : at) {
      if (o != none) completions.push_back(o);
    }
  } else {
    for (std::uint32_t o = 0; o < ops.size(); ++o) {
      if (ops[o].kind != RegisterKind::nothing && !ops[o].open()) completions.push_back(o);
    }
    std::sort(completions.begin(), completions.end(),
              [&](std::uint32_t a, std::uint32_t b) { return ops[a].completed < ops[b].completed; });
  }
  FL_ASSERT(completions.size() == closing);
  std::vector<std::uint32_t> order;
  order.reserve(ops.size() + closing);
  std::size_t c = 0;
  for (std::uint32_t o = 0; o < ops.size(); ++o) {
    if (ops[o].kind == RegisterKind::nothing) continue;
    while (c < closing && ops[completions[c]].completed < ops[o].invoked) order.push_back(completions[c++] << 1 | 1);
    order.push_back(o << 1);
  }
  while (c < closing) order.push_back(completions[c++] << 1 | 1);
  return order;
}

void Timeline::lay_out(const std::vector<std::uint32_t>& order) {
  std::map<std::tuple<RegisterKind, ValueId, ValueId>, ClassId> known;
  std::vector<Slot> free;
  std::deque<std::uint32_t> closing;  // in flight, by invocation, from the oldest that has not completed
  std::deque<std::uint32_t> open;     // not joined yet, by invocation
  std::vector<bool> done(problem_->operations.size());
  slot_of_.assign(problem_->operations.size(), none);
  events_.reserve(order.size());
  const auto join = [&] {
    while (!closing.empty() && done[closing.front()]) closing.pop_front();
    while (!open.empty() && (closing.empty() || closing.front() > open.front())) {
      const std::uint32_t o = open.front();
      open.pop_front();
      const RegisterOperation& op = operation(o);
      const auto [entry, fresh] = known.try_emplace({op.kind, op.from, op.to}, static_cast<ClassId>(classes_.size()));
      if (fresh) classes_.push_back({op.kind, op.from, op.to});
      class_of_.emplace_back(o, entry->second);
      events_.push_back(o << 2 | static_cast<std::uint32_t>(Step::join));
      free.push_back(slot_of_[o]);
    }
  };
  for (const std::uint32_t event : order) {
    const std::uint32_t o = event >> 1;
    if ((event & 1) == 0) {
      // An open operation whose product nobody can notice constrains nothing.
      if (operation(o).open() && !noticed_after(operation(o).to, invoked(o))) continue;
      if (free.empty()) free.push_back(slots_++);
      slot_of_[o] = free.back();
      free.pop_back();
      (operation(o).open() ? open : closing).push_back(o);
      events_.push_back(o << 2 | static_cast<std::uint32_t>(Step::invoke));
      if (operation(o).open()) join();
    } else {
      done[o] = true;
      events_.push_back(o << 2 | static_cast<std::uint32_t>(Step::complete));
      free.push_back(slot_of_[o]);
      join();
    }
  }
  std::sort(class_of_.begin(), class_of_.end());
}

ClassId Timeline::class_of(std::uint32_t o) const {
  const auto found = std::lower_bound(class_of_.begin(), class_of_.end(), std::pair(o, ClassId{0}));
  FL_ASSERT(found != class_of_.end() && found->first == o);
  return found->second;
}

std::uint64_t Timeline::bytes() const {
  return (events_.capacity() + slot_of_.capacity() + last_reader_.capacity() + last_mention_.capacity()) *
             sizeof(std::uint32_t) +
         class_of_.capacity() * sizeof(class_of_[0]) + classes_.capacity() * sizeof(OpenClass);
}

}  // namespace faultline::registers
