// Relaxation: a superset of what can happen whose configurations are few at any concurrency. Its death is proof of
// `invalid`.
//
// Relaxed, an operation in flight is not used up by taking effect: it may do so again, until it completes; an open one
// for ever. What is reachable then depends on values only. Let R be the values reachable at this moment by chains of
// cas in flight or open from the current value, and, if the walk goes on with a blind write, from every value some
// write in flight or open stores. As nothing is used up, everything in R may be visited, any number of times, before
// the walk goes on; so all observers and cas in flight that find their value in R are satisfied, free of charge.
//
// Superset: take a linearization that contains an exact configuration's walk (moves.hpp). A relaxed configuration of
// the same value that has satisfied no fewer operations and has no more bare writes keeps up with it. Whatever the
// exact one inserts at a gap, a tail or a loop was in R when that place came to be, so its operations are satisfied
// already. What it adds at the end is a chain or a rewrite, made here too when the write or cas in question is due, if
// not before; therefore a cas that is due may go to the end even if it has been satisfied.
#pragma once

#include <map>
#include <set>

#include "frontier.hpp"

namespace faultline::registers {

template <class M>
class Relaxation {
 public:
  Relaxation(ValueId initial, std::uint32_t values) : window_(values), visited_(values) {
    configs_.push_back({.value = initial});
  }

  // An open operation needs no slot: it stays possible for ever.
  void invoke(Slot slot, std::uint32_t operation, const RegisterOperation& op) {
    if (op.open()) {
      if (op.kind == RegisterKind::write) open_writes_.insert(op.to);
      if (op.kind == RegisterKind::cas) open_cas_[op.from].insert(op.to);
      return;
    }
    window_.add(slot, operation, op);
    for (Config& c : configs_) {
      const bool observer = op.kind == RegisterKind::read || op.kind == RegisterKind::differs;
      if (observer && (c.value == op.from) == (op.kind == RegisterKind::read)) c.placed.set(slot);
      if (op.kind == RegisterKind::write && c.value != op.to) c.bare.set(slot);
    }
  }

  // False if no configuration survives, or the meter is spent.
  bool complete(Slot slot, Meter& meter) {
    place(slot, meter);
    return !configs_.empty() && !meter.spent();
  }

  [[nodiscard]] std::size_t size() const { return configs_.size(); }
  [[nodiscard]] std::uint64_t bytes() const {
    return window_.bytes() + visited_.capacity() * sizeof(std::uint32_t) +
           (configs_.capacity() + made_.capacity() + kept_.capacity()) *
               (sizeof(Config) + 2 * window_.all().heap_bytes());
  }
  // Every value it still refers to.
  template <class Visit>
  void each_value(Visit visit) const {
    for (const Config& c : configs_) visit(c.value);
    for (const ValueId value : open_writes_) visit(value);
    for (const auto& [from, targets] : open_cas_) {
      visit(from);
      for (const ValueId to : targets) visit(to);
    }
  }

 private:
  struct Config {
    ValueId value = 0;
    M placed;  // observers and cas that have been satisfied
    M bare;    // writes nothing hides yet
  };

  void place(Slot slot, Meter& meter) {
    const auto& p = window_[slot];
    made_.clear();
    std::erase_if(configs_, [&](const Config& c) {
      if (meter.tick()) return false;
      const bool write = p.kind == RegisterKind::write;
      const bool done = write ? !c.bare.test(slot) : c.placed.test(slot);
      if (!done || write || p.kind == RegisterKind::cas) go_on(c, p);
      return !done;
    });
    const bool changed = !made_.empty();
    if (!meter.may_grow(configs_, made_.size(), sizeof(Config) + 2 * window_.all().heap_bytes())) return;
    configs_.insert(configs_.end(), made_.begin(), made_.end());
    window_.remove(slot);
    for (Config& c : configs_) {
      c.placed.reset(slot);
      c.bare.reset(slot);
    }
    if (changed || window_.in_flight() == 0) reduce(meter);
  }

  // Every way on at the end that places what is due: along a chain from the current value, or after a blind write.
  void go_on(const Config& c, const typename Window<M>::Pending& due) {
    reach({c.value});
    arrive(c, due, false);
    starts_.assign(open_writes_.begin(), open_writes_.end());
    window_.writes().each([&](unsigned slot) { starts_.push_back(window_[slot].to); });
    if (starts_.empty()) return;
    reach(starts_);
    arrive(c, due, true);
  }

  void reach(const std::vector<ValueId>& starts) {
    ++stamp_;
    reached_.clear();
    const auto visit = [&](ValueId value) {
      if (visited_.size() <= value) visited_.resize(value + 1);
      if (visited_[value] == stamp_) return;
      visited_[value] = stamp_;
      reached_.push_back(value);
    };
    for (const ValueId value : starts) visit(value);
    for (std::size_t i = 0; i < reached_.size(); ++i) {
      window_.watch(reached_[i]).leaves.each([&](unsigned slot) { visit(window_[slot].to); });
      if (const auto open = open_cas_.find(reached_[i]); open != open_cas_.end()) {
        for (const ValueId to : open->second) visit(to);
      }
    }
  }

  void arrive(const Config& c, const typename Window<M>::Pending& due, bool rewritten) {
    const ValueId goal = due.kind == RegisterKind::write ? due.to : due.from;
    const bool reachable = goal < visited_.size() && visited_[goal] == stamp_;
    if (!reachable && due.kind != RegisterKind::differs) return;
    Config next = c;
    visit_all(next);
    if (rewritten) {
      next.bare = M();
      const std::vector<ValueId> goals = reached_;
      reach({c.value});
      visit_all(next);
      settle(next, due, goals);
    } else {
      settle(next, due, reached_);
    }
  }
  void visit_all(Config& c) {
    for (const ValueId value : reached_) {
      const auto& watch = window_.watch(value);
      c.placed |= watch.reads | watch.leaves | (window_.differs() - watch.differs);
      c.bare -= watch.writes;
    }
  }
  void settle(Config& next, const typename Window<M>::Pending& due, const std::vector<ValueId>& goals) {
    if (due.kind == RegisterKind::differs) {
      for (const ValueId value : goals) {
        if (value == due.from) continue;
        next.value = value;
        made_.push_back(next);
      }
    } else {
      next.value = due.kind == RegisterKind::read ? due.from : due.to;
      made_.push_back(next);
    }
  }

  // Of configurations of one value only those not worse than another; and all values that can be stored at will are
  // one.
  void reduce(Meter& meter) {
    kept_.clear();
    for (const Config& c : configs_) {
      if (meter.tick(1 + kept_.size() / 4)) return;
      if (std::any_of(kept_.begin(), kept_.end(), [&](const Config& k) { return imitates(k, c); })) continue;
      std::erase_if(kept_, [&](const Config& k) { return imitates(c, k); });
      kept_.push_back(c);
    }
    configs_.swap(kept_);
  }
  [[nodiscard]] bool imitates(const Config& a, const Config& b) const {
    if (a.value != b.value && open_writes_.count(b.value) == 0) return false;
    return a.placed.contains(b.placed) && b.bare.contains(a.bare);
  }

  Window<M> window_;
  std::vector<Config> configs_, made_, kept_;
  std::set<ValueId> open_writes_;
  std::map<ValueId, std::set<ValueId>> open_cas_;  // by what they expect
  std::vector<std::uint32_t> visited_;             // by value: the stamp of the latest search that reached it
  std::uint32_t stamp_ = 0;
  std::vector<ValueId> reached_, starts_;
};

// One relaxation on its way along a timeline.
template <class M>
class RelaxationRun {
 public:
  enum class State : std::uint8_t { running, survived, died, stopped };

  explicit RelaxationRun(const Timeline& timeline)
      : timeline_(timeline), relaxation_(timeline.problem().initial, timeline.problem().values) {}

  State run(Meter& meter, std::uint64_t steps) {
    const std::uint64_t until = meter.steps() + steps;
    while (state_ == State::running && meter.steps() < until) {
      if (position_ == timeline_.size()) {
        state_ = State::survived;
      } else if (!forward(meter)) {
        state_ = meter.spent() ? State::stopped : State::died;
      } else {
        ++position_;
        if (meter.tick(relaxation_.size())) state_ = State::stopped;
      }
    }
    return state_;
  }

  // The next event; when it died, the completion nobody survived.
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::uint64_t bytes() const { return relaxation_.bytes(); }

 private:
  bool forward(Meter& meter) {
    const auto [o, step] = timeline_[position_];
    if (step == Timeline::Step::invoke) relaxation_.invoke(timeline_.slot(o), o, timeline_.operation(o));
    return step != Timeline::Step::complete || relaxation_.complete(timeline_.slot(o), meter);
  }

  const Timeline& timeline_;
  Relaxation<M> relaxation_;
  std::size_t position_ = 0;
  State state_ = State::running;
};

}  // namespace faultline::registers
