// Contest: the engines that can decide one timeline, taking turns on one budget. The first decided answer wins.
//
//   - Depth first: one configuration at a time, every open operation counted. Valid histories are rarely hard for it.
//   - Relaxation: what is in flight is never used up, a superset with a tiny frontier. Death is `invalid`.
//   - Frontier: all configurations. Open operations that joined a class never run dry at first; when it survives with
//     more of a class than there was, that class is counted and it starts again. Death is `invalid` at every stage, for
//     what it explores is a superset; survival within capacities is `valid`.
//
// Turns double and are measured in steps, so the result is the same on every machine.
#pragma once

#include <memory>
#include <optional>

#include "depth_first.hpp"
#include "order.hpp"
#include "relaxed.hpp"
#include "search.hpp"

namespace faultline::registers {

// One frontier on its way along the timeline.
template <class M>
class FrontierRun {
 public:
  enum class State : std::uint8_t { running, survived, died, stopped };

  FrontierRun(const Timeline& timeline, typename Frontier<M>::Options options)
      : timeline_(timeline),
        frontier_(timeline.problem().initial, timeline.problem().values, std::move(options)),
        demand_(timeline.demand()) {}

  // Goes on for `steps`.
  State run(Meter& meter, std::uint64_t steps) {
    const std::uint64_t until = meter.steps() + steps;
    while (state_ == State::running && meter.steps() < until) {
      if (position_ == timeline_.size()) {
        state_ = State::survived;
      } else if (forward(meter)) {
        ++position_;
      } else {
        state_ = meter.spent() ? State::stopped : State::died;
      }
    }
    return state_;
  }

  // The next event; when it died, the completion nobody survived.
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::vector<Move> moves() const {
    return state_ == State::died || state_ == State::stopped ? frontier_.last_moves()
                                                             : frontier_.moves_of(frontier_.configurations()[0]);
  }
  [[nodiscard]] std::uint64_t bytes() const { return frontier_.bytes(); }

 private:
  bool forward(Meter& meter) {
    const auto [o, step] = timeline_[position_];
    const RegisterOperation& op = timeline_.operation(o);
    const Slot slot = timeline_.slot(o);
    switch (step) {
      case Timeline::Step::invoke:
        frontier_.invoke(slot, o, op);
        meter.tick(frontier_.configurations().size() / 16);  // if that was the last, the next completion tells
        return true;
      case Timeline::Step::join: {
        const ClassId id = timeline_.class_of(o);
        frontier_.join(slot, id, timeline_.classes()[id]);
        return true;
      }
      case Timeline::Step::complete: break;
    }
    const Time now = timeline_.completed(o);
    demand_.complete(op);
    return frontier_.complete(
        slot, now, {.noticed = timeline_.noticed_after(op.to, now), .timeline = &timeline_, .demand = &demand_}, meter);
  }

  const Timeline& timeline_;
  Frontier<M> frontier_;
  Demand demand_;
  std::size_t position_ = 0;
  State state_ = State::running;
};

template <class M>
class Contest {
 public:
  Contest(const Timeline& timeline, const Budget& budget, const SearchOptions& options)
      : timeline_(timeline),
        options_(options),
        meter_(budget, [this] { return bytes(); }),
        slice_(20'000 + 16 * timeline.size()) {
    restart_frontier();
  }

  SearchResult run() {
    while (!result_) turn();
    meter_.poll();
    result_->cost = {.configurations = meter_.steps(), .peak_bytes = meter_.peak_bytes()};
    return std::move(*result_);
  }

 private:
  static constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max() / 2;

  void turn() {
    const bool all = options_.engine == RegisterEngine::automatic;
    if (options_.engine != RegisterEngine::frontier) run_depth(all ? slice_ : endless);
    if (!result_ && all) run_relaxed();
    if (!result_ && options_.engine != RegisterEngine::depth_first) run_frontier(all ? slice_ : endless);
    slice_ *= 2;
  }

  void run_frontier(std::uint64_t steps) {
    using State = typename FrontierRun<M>::State;
    switch (frontier_->run(meter_, steps)) {
      case State::running: return;
      case State::died: return decide_invalid("frontier", frontier_->position());
      case State::stopped: return give_up();
      case State::survived: break;
    }
    const std::vector<Move> moves = frontier_->moves();
    const std::vector<ClassId> short_of = overdrawn(timeline_, moves);
    if (short_of.empty()) return decide_valid("frontier", moves);
    for (const ClassId id : short_of) {
      FL_ASSERT(!counted_[id]);
      counted_[id] = true;
    }
    restart_frontier();
  }

  // In company it gives up its turn once it has gone back a while, and forgets what it put off long ago.
  void run_depth(std::uint64_t steps) {
    using State = typename DepthFirst<M>::State;
    const bool alone = steps == endless;
    if (!depth_) {
      const std::size_t stack = alone ? std::numeric_limits<std::size_t>::max() : 100'000;
      depth_ = std::make_unique<DepthFirst<M>>(timeline_, options_.prunings, stack);
    }
    switch (depth_->run(meter_, steps, alone ? endless : steps / 16)) {
      case State::running:
      case State::stuck: return;
      case State::valid: return decide_valid("depth-first", depth_->moves());
      case State::invalid: return decide_invalid("depth-first", depth_->deepest());
      case State::stopped: return give_up();
    }
  }

  void run_relaxed() {
    using State = typename RelaxationRun<M>::State;
    if (!relaxed_) relaxed_ = std::make_unique<RelaxationRun<M>>(timeline_);
    switch (relaxed_->run(meter_, slice_)) {
      case State::running:
      case State::survived: return;
      case State::died: return decide_invalid("frontier", relaxed_->position());
      case State::stopped: return give_up();
    }
  }

  void restart_frontier() {
    counted_.resize(timeline_.classes().size());
    frontier_ = std::make_unique<FrontierRun<M>>(
        timeline_, typename Frontier<M>::Options{.prunings = options_.prunings, .counted = counted_});
  }

  void decide_valid(const char* engine, const std::vector<Move>& moves) {
    extra_bytes_ = moves.capacity() * sizeof(Move);
    auto order = replay(timeline_, moves, timeline_.size(), meter_);
    // A verdict nobody could check is none.
    if (meter_.spent()) return give_up();
    result_ = SearchResult{.kind = VerdictKind::valid, .order = std::move(order), .engine = engine};
  }
  void decide_invalid(const char* engine, std::size_t died_at) {
    FL_ASSERT(died_at < timeline_.size());
    const Deepest found = deepest();
    result_ = SearchResult{.kind = VerdictKind::invalid,
                           .order = beginning(found),
                           .prefix = completed_before(found.position),
                           .engine = engine};
    result_->died_at = timeline_.operation(timeline_[died_at].operation).completed;
  }
  void give_up() {
    const Deepest found = deepest();
    result_ = SearchResult{.kind = VerdictKind::unknown,
                           .order = beginning(found),
                           .prefix = completed_before(found.position),
                           .engine = found.engine,
                           .reason = meter_.reason()};
  }

  struct Deepest {
    std::vector<Move> moves;
    std::size_t position = 0;  // events it explains
    const char* engine = "frontier";
  };
  // A legal beginning, as long as one is known.
  Deepest deepest() const {
    Deepest found;
    if (depth_) found = {depth_->deepest_moves(), depth_->deepest(), "depth-first"};
    if (!depth_ || frontier_->position() > found.position) {
      std::vector<Move> others = frontier_->moves();
      if (overdrawn(timeline_, others).empty()) found = {std::move(others), frontier_->position(), "frontier"};
    }
    return found;
  }
  // The order of what is told of it, short enough to be made after the budget has ended.
  std::vector<std::uint32_t> beginning(const Deepest& found) const {
    constexpr std::size_t told = 50'000;  // events: a few milliseconds, two megabytes
    const Budget none;
    Meter meter(none, [] { return 0; });
    return replay(timeline_, found.moves, std::min(found.position, told), meter);
  }
  [[nodiscard]] std::size_t completed_before(std::size_t position) const {
    std::size_t completed = 0;
    for (std::size_t i = 0; i < position; ++i) completed += timeline_[i].step == Timeline::Step::complete ? 1 : 0;
    return completed;
  }

  [[nodiscard]] std::uint64_t bytes() const {
    return timeline_.problem().bytes() + timeline_.bytes() + extra_bytes_ + frontier_->bytes() +
           (depth_ ? depth_->bytes() : 0) + (relaxed_ ? relaxed_->bytes() : 0);
  }

  const Timeline& timeline_;
  const SearchOptions& options_;
  Meter meter_;
  std::unique_ptr<FrontierRun<M>> frontier_;
  std::unique_ptr<DepthFirst<M>> depth_;
  std::unique_ptr<RelaxationRun<M>> relaxed_;
  std::vector<bool> counted_;  // by class, by the frontier
  std::uint64_t slice_;
  std::uint64_t extra_bytes_ = 0;  // of moves being turned into an order
  std::optional<SearchResult> result_;
};

}  // namespace faultline::registers
