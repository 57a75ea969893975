// DepthFirst: the moves of the frontier, followed by one configuration at a time.
//
// At every completion the most promising way on is taken and the others are put on a stack. When it is dead, the walk
// goes back to the latest event with something left. What was followed and died is remembered for the latest events,
// and what it imitates is not tried again. Exhaustion is `invalid`, unless the stack had to forget its oldest entries
// to stay within its bound: then the search is stuck and says so.
//
// Wing, Gong 1993; Lowe 2017 (depth-first search with a memo), here over the frontier's moves.
#pragma once

#include <deque>

#include "frontier.hpp"

namespace faultline::registers {

template <class M>
class DepthFirst {
 public:
  using Config = Configuration<M>;
  enum class State : std::uint8_t { running, valid, invalid, stuck, stopped };

  // `stack_limit`: configurations put off at most.
  DepthFirst(const Timeline& timeline, const Prunings& prunings, std::size_t stack_limit)
      : timeline_(timeline),
        frontier_(timeline.problem().initial, timeline.problem().values,
                  {.prunings = prunings, .count_all = true, .counted = {}, .renewing = false}),
        demand_(timeline.demand()),
        stack_limit_(stack_limit),
        dead_(remembered) {}

  // Goes on until there is an answer, `steps` more have been made, or it has gone back `patience` events in all.
  State run(Meter& meter, std::uint64_t steps, std::uint64_t patience) {
    const std::uint64_t until = meter.steps() + steps;
    std::uint64_t gone_back = 0;
    while (state_ == State::running && meter.steps() < until && gone_back < patience) {
      if (frontier_.configurations().empty()) {
        gone_back += back(meter);
      } else if (position_ == timeline_.size()) {
        state_ = State::valid;
      } else if (!forward(meter)) {
        if (meter.spent()) {
          state_ = State::stopped;
        } else {
          gone_back += back(meter);
        }
      }
    }
    return state_;
  }

  // REQUIRES: valid. The moves of the configuration that made it.
  [[nodiscard]] std::vector<Move> moves() const { return frontier_.moves_of(frontier_.configurations()[0]); }
  // The furthest event ever reached, and the moves of a configuration that was possible before it.
  [[nodiscard]] std::size_t deepest() const { return deepest_; }
  [[nodiscard]] std::vector<Move> deepest_moves() const { return frontier_.moves_to(deepest_node_); }

  [[nodiscard]] std::uint64_t bytes() const {
    return frontier_.bytes() + (waiting_ + remembered_configs_) * (sizeof(Config) + 16);
  }

 private:
  static constexpr std::size_t remembered = 1024;  // events
  struct Batch {
    std::size_t position;
    std::vector<Config> configs;  // most promising last
  };
  struct Dead {
    std::size_t position = 0;
    std::vector<Config> configs;  // hold no reference to the trace
  };

  bool forward(Meter& meter) {
    const auto [o, step] = timeline_[position_];
    const RegisterOperation& op = timeline_.operation(o);
    const std::size_t at = position_;
    bool alive = true;
    if (step == Timeline::Step::invoke) frontier_.invoke(timeline_.slot(o), o, op);
    if (step == Timeline::Step::join) {
      const ClassId id = timeline_.class_of(o);
      frontier_.join(timeline_.slot(o), id, timeline_.classes()[id]);
    }
    if (step == Timeline::Step::complete) {
      const Time now = timeline_.completed(o);
      demand_.complete(op);
      alive = frontier_.complete(
          timeline_.slot(o), now,
          {.noticed = timeline_.noticed_after(op.to, now), .timeline = &timeline_, .demand = &demand_}, meter);
    }
    if (meter.spent()) return false;
    ++position_;
    if (at >= deepest_) reach(at, alive);
    if (!alive) return false;
    return step != Timeline::Step::complete || choose(meter);
  }

  void reach(std::size_t at, bool alive) {
    deepest_ = alive ? at + 1 : at;
    if (!alive && deepest_node_ != Trace::root) return;
    const Trace::Node node = alive ? frontier_.configurations()[0].node : frontier_.last();
    frontier_.hold(node);
    frontier_.release(deepest_node_);
    deepest_node_ = node;
  }

  // Leaves what is known to be dead, and puts off all but one.
  bool choose(Meter& meter) {
    Dead& dead = dead_[position_ % remembered];
    if (dead.position == position_ && !dead.configs.empty()) frontier_.drop_imitators(dead.configs, meter);
    if (frontier_.configurations().empty()) return false;
    if (frontier_.configurations().size() > 1) {
      if (!meter.may_hold(frontier_.configurations().size() * (sizeof(Config) + 16))) return false;
      auto rest = frontier_.shed(meter);
      waiting_ += rest.size();
      stack_.push_back({position_, std::move(rest)});
      bound_stack();
    }
    remember(dead);
    if (frontier_.wants_cut()) cut(meter);
    return true;
  }

  void remember(Dead& dead) {
    if (dead.position != position_) {
      remembered_configs_ -= dead.configs.size();
      dead.configs.clear();
      dead.position = position_;
    }
    const auto& configs = frontier_.configurations();
    dead.configs.insert(dead.configs.end(), configs.begin(), configs.end());
    remembered_configs_ += configs.size();
  }

  void bound_stack() {
    while (waiting_ > stack_limit_) {
      for (const Config& c : stack_.front().configs) frontier_.release(c.node);
      waiting_ -= stack_.front().configs.size();
      stack_.pop_front();
      forgot_ = true;
    }
  }

  // Returns how many events it went back.
  std::uint64_t back(Meter& meter) {
    if (stack_.empty()) {
      state_ = forgot_ ? State::stuck : State::invalid;
      return 0;
    }
    Batch& batch = stack_.back();
    const std::uint64_t distance = position_ - batch.position;
    while (position_ > batch.position) {
      undo();
      meter.tick();
    }
    std::vector<Config> next;
    next.push_back(std::move(batch.configs.back()));
    batch.configs.pop_back();
    --waiting_;
    if (batch.configs.empty()) stack_.pop_back();
    frontier_.restore(std::move(next));
    Dead& dead = dead_[position_ % remembered];
    if (dead.position == position_ && !dead.configs.empty()) frontier_.drop_imitators(dead.configs, meter);
    remember(dead);
    if (meter.spent()) state_ = State::stopped;
    return distance + 1;
  }

  void undo() {
    const auto [o, step] = timeline_[--position_];
    const RegisterOperation& op = timeline_.operation(o);
    const Slot slot = timeline_.slot(o);
    switch (step) {
      case Timeline::Step::invoke: frontier_.undo_invoke(slot); break;
      case Timeline::Step::complete:
        frontier_.undo_complete(slot, o, op);
        demand_.undo(op);
        break;
      case Timeline::Step::join: frontier_.undo_join(slot, o, op, timeline_.class_of(o)); break;
    }
  }

  void cut(Meter& meter) {
    leaves_.assign(1, deepest_node_);
    for (const Batch& batch : stack_) {
      for (const Config& c : batch.configs) leaves_.push_back(c.node);
    }
    frontier_.cut(leaves_, meter);
  }

  const Timeline& timeline_;
  Frontier<M> frontier_;
  Demand demand_;
  std::size_t stack_limit_;
  std::size_t position_ = 0;  // the next event
  std::deque<Batch> stack_;
  std::size_t waiting_ = 0;  // in stack_
  bool forgot_ = false;
  std::vector<Dead> dead_;  // by position modulo its size
  std::size_t remembered_configs_ = 0;
  std::size_t deepest_ = 0;
  Trace::Node deepest_node_ = Trace::root;
  std::vector<Trace::Node> leaves_;
  State state_ = State::running;
};

}  // namespace faultline::registers
