#include "timeline.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <queue>
#include <tuple>

namespace faultline::registers {

Timeline::Timeline(const RegisterProblem& problem, const Budget& budget) : problem_(&problem) {
  FL_ASSERT(problem.operations.size() < (1U << 30));
  Meter meter(budget, [&] { return problem.bytes() + bytes(); });
  if (meter.may_hold(std::uint64_t{problem.values} * 3 * sizeof(Time))) measure_values(meter);
  if (!meter.spent()) lay_out(meter);
  if (meter.spent()) unfinished_ = meter.reason();
}

void Timeline::measure_values(Meter& meter) {
  last_reader_.assign(problem_->values, 0);
  last_mention_.assign(problem_->values, 0);
  demand_ = Demand(problem_->values);
  const auto raise = [](Time& time, Time to) { time = std::max(time, to); };
  for (std::uint32_t o = 0; o < problem_->operations.size(); ++o) {
    if (meter.tick()) return;
    const RegisterOperation& op = operation(o);
    const Time end = completed(o);
    demand_.add(op);
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

// Walks invocations, which are in order, and completions, of which those in flight wait in a heap.
class Timeline::Layout {
 public:
  Layout(Timeline& timeline, Meter& meter) : t_(timeline), meter_(meter) {}

  void run() {
    const auto& ops = t_.problem_->operations;
    const std::uint64_t bytes = ops.size() * (3 * sizeof(std::uint32_t)) + ops.size() / 8;
    if (!meter_.may_hold(bytes)) return;
    done_.resize(ops.size());
    t_.slot_of_.assign(ops.size(), none);
    t_.events_.reserve(2 * ops.size());
    for (std::uint32_t o = 0; o < ops.size(); ++o) {
      if (ops[o].kind == RegisterKind::nothing) continue;
      complete_until(ops[o].invoked);
      if (meter_.tick()) return;
      invoke(o);
    }
    complete_until(none);
  }

 private:
  void complete_until(EventIndex limit) {
    while (!due_.empty() && due_.top() >> 32 < limit) {
      const auto o = static_cast<std::uint32_t>(due_.top());
      due_.pop();
      done_[o] = true;
      push(o, Step::complete);
      free_.push_back(t_.slot_of_[o]);
      join();
    }
  }

  void invoke(std::uint32_t o) {
    const RegisterOperation& op = t_.operation(o);
    // An open operation whose product nobody can notice constrains nothing.
    if (op.open() && !t_.noticed_after(op.to, t_.invoked(o))) return;
    if (free_.empty()) free_.push_back(t_.slots_++);
    t_.slot_of_[o] = free_.back();
    free_.pop_back();
    push(o, Step::invoke);
    if (op.open()) {
      open_.push_back(o);
      join();
    } else {
      closing_.push_back(o);
      due_.push(std::uint64_t{op.completed} << 32 | o);
    }
  }

  void join() {
    while (!closing_.empty() && done_[closing_.front()]) closing_.pop_front();
    while (!open_.empty() && (closing_.empty() || closing_.front() > open_.front())) {
      const std::uint32_t o = open_.front();
      open_.pop_front();
      const RegisterOperation& op = t_.operation(o);
      const auto [entry, fresh] =
          known_.try_emplace({op.kind, op.from, op.to}, static_cast<ClassId>(t_.classes_.size()));
      if (fresh) t_.classes_.push_back({op.kind, op.from, op.to});
      t_.class_of_.emplace_back(o, entry->second);
      push(o, Step::join);
      free_.push_back(t_.slot_of_[o]);
    }
  }

  void push(std::uint32_t o, Step step) { t_.events_.push_back(o << 2 | static_cast<std::uint32_t>(step)); }

  Timeline& t_;
  Meter& meter_;
  std::map<std::tuple<RegisterKind, ValueId, ValueId>, ClassId> known_;
  // By completion, then operation.
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> due_;
  std::vector<bool> done_;
  std::vector<Slot> free_;
  std::deque<std::uint32_t> closing_;  // in flight, by invocation, from the oldest that has not completed
  std::deque<std::uint32_t> open_;     // not joined yet, by invocation
};

void Timeline::lay_out(Meter& meter) {
  Layout(*this, meter).run();
  if (!meter.spent()) sort_metered(class_of_, meter);
}

ClassId Timeline::class_of(std::uint32_t o) const {
  const auto found = std::lower_bound(class_of_.begin(), class_of_.end(), std::pair(o, ClassId{0}));
  FL_ASSERT(found != class_of_.end() && found->first == o);
  return found->second;
}

std::uint64_t Timeline::bytes() const {
  return (events_.capacity() + slot_of_.capacity() + 3 * last_mention_.capacity()) * sizeof(std::uint32_t) +
         class_of_.capacity() * sizeof(class_of_[0]) + classes_.capacity() * sizeof(OpenClass);
}

}  // namespace faultline::registers
