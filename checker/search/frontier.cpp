// The frontier: all configurations an object could be in, carried from event to event (breadth first, just in time).
//
// Wing, Gong 1993 and Lowe 2017 ("Testing for linearizability", just-in-time linearization), with the window's state
// instead of one bit per operation of the history. The rules, each an exchange in a given legal order:
//   lazy       nothing is placed before the completion of an operation forces it: whatever an order places earlier may
//              wait until then, since all that must precede it is placed already. So at the completion of o each
//              configuration without o is extended, in every way, by operations in flight until o is placed; none left:
//              no order exists.
//   observers  one that sees its result in the current state is placed at once: it changes nothing, what must precede it
//              completed before it was invoked and is placed, and what comes after it still does.
//   twins      of two equal calls in flight the one with the earlier deadline is placed first: in an order that has them
//              the other way round they swap places, and both deadlines still hold.
//   relevance  see sight.hpp; so is foresight, which is no exchange: it drops configurations that must fail.
//   imitation  see configs.hpp.
#include <faultline/assert.hpp>

#include "configs.hpp"
#include "engine.hpp"
#include "sight.hpp"
#include "transitions.hpp"
#include "window.hpp"

namespace faultline::search {

namespace {

template <class Mask>
class Frontier final : public Engine {
 public:
  Frontier(const Items& items, const CallTable& calls, Space& space, const Budget& budget)
      : items_(items),
        calls_(calls),
        space_(space),
        window_(items, calls, space, budget),
        transitions_(space, calls, items.size()),
        pace_(budget) {
    FL_ASSERT(insert(current_, Mask(), space.initial(), 0));
    trail_.hold(trail_.root());
    current_.commit(trail_.root());
  }

  Progress advance(std::uint64_t steps) override {
    const std::uint64_t until = pace_.steps() + steps;
    while (pace_.steps() < until) {
      if (pace_.spent()) return Progress::spent;
      if (searching_) {
        if (cursor_ < reached_.size()) {
          expand(cursor_++);
        } else if (!finish_completion()) {
          return Progress::invalid;
        }
      } else if (window_.at_end()) {
        return Progress::valid;
      } else {
        next_event();
      }
    }
    return pace_.spent() ? Progress::spent : Progress::running;
  }

  [[nodiscard]] std::vector<std::uint32_t> order() const override { return trail_.order(deepest()); }
  [[nodiscard]] EventIndex died_at() const override {
    return std::max(items_[window_.item()].completed, foresight_.horizon());
  }
  [[nodiscard]] std::uint64_t configurations() const override { return configurations_; }
  [[nodiscard]] const Pace& pace() const override { return pace_; }

 private:
  [[nodiscard]] TrailNode deepest() const {
    TrailNode deepest = searching_ ? fallback_ : trail_.root();
    for (const ConfigSet<Mask>* set : {&current_, &reached_, &survivors_}) {
      for (std::size_t i = 0; i < set->size(); ++i) {
        const Config<Mask>& config = (*set)[i];
        if (!config.dropped() && trail_.depth(config.trail) > trail_.depth(deepest)) deepest = config.trail;
      }
    }
    return deepest;
  }

  [[nodiscard]] std::uint64_t held_bytes() const {
    return current_.bytes() + reached_.bytes() + survivors_.bytes() + trail_.bytes() + uses_.bytes() + window_.bytes() +
           transitions_.bytes() + calls_.bytes() + space_.bytes();
  }

  bool insert(ConfigSet<Mask>& set, const Mask& placed, StateId state, UseId uses) {
    if (const std::uint64_t growth = set.growth() + trail_.growth(); growth > 4096) {
      if (!pace_.may_grow(held_bytes(), growth)) return false;
    }
    const bool added = set.insert(placed, state, uses, window_.observers(), uses_, trail_);
    // Where many configurations differ in what they spent only, comparing them is most of the work.
    if (const std::uint64_t compared = set.take_compared(); compared > 4) {
      pace_.steps(compared / 4, [this] { return held_bytes(); });
    }
    return added;
  }

  void next_event() {
    if (window_.completes()) return begin_completion();
    const std::uint32_t item = window_.item();
    const std::size_t slot = window_.slot();
    const bool open = window_.opens();
    window_.forward();
    if (!open && window_.observers().test(slot)) place_observer(item, slot);
    if (step_budget()) forget_the_past();
  }

  // An observer that holds in the state it meets is placed at its invocation.
  void place_observer(std::uint32_t item, std::size_t slot) {
    for (std::size_t i = 0; i < current_.size(); ++i) {
      Config<Mask>& config = current_[i];
      if (config.dropped() || !transitions_.holds(config.state, calls_.of(item))) continue;
      config.placed.set(slot);
      const TrailNode node = trail_.extend(config.trail, item);
      trail_.release(config.trail);
      config.trail = node;
    }
  }

  void begin_completion() {
    const std::size_t slot = window_.slot();
    cursor_ = 0;
    relevance_.find(window_, calls_, space_);
    for (std::size_t i = 0; i < current_.size(); ++i) {
      const Config<Mask>& config = current_[i];
      if (config.dropped()) continue;
      const bool placed = config.placed.test(slot);
      Mask mask = config.placed;
      if (placed) mask.clear(slot);
      StateId state = config.state;
      if (!placed) state = foresight_.look(window_, space_, uses_, mask, state, config.uses);
      if (state == refused) continue;
      ConfigSet<Mask>& target = placed ? survivors_ : reached_;
      if (!insert(target, mask, state, config.uses)) continue;
      trail_.hold(config.trail);
      target.commit(config.trail);
    }
    // Should none of them survive, the deepest is still to be told.
    fallback_ = deepest();
    trail_.hold(fallback_);
    searching_ = true;
    current_.clear(trail_);
  }

  // Extends one configuration that lacks the completing operation by each operation in flight that may come next.
  void expand(std::size_t index) {
    const Config<Mask> from = reached_[index];
    if (from.dropped()) return;
    ++configurations_;
    window_.mutators().without(from.placed).for_each([&](std::size_t slot) {
      if (pace_.spent() || !relevance_.slot(slot) || window_.earlier_twins(slot).without(from.placed).any()) return;
      const StateId next = step(from.state, window_[slot].call);
      if (next == refused) return;
      Mask placed = from.placed;
      placed.set(slot);
      reach(from, placed, next, from.uses, window_[slot].item);
    });
    const auto& open_classes = window_.open_classes();
    for (std::uint32_t c = 0; c < open_classes.size(); ++c) {
      if (pace_.spent()) return;
      const std::uint32_t used = uses_.count(from.uses, c);
      if (!relevance_.open(c) || used == open_classes[c].items.size()) continue;
      const StateId next = step(from.state, open_classes[c].call);
      // One that changes nothing might as well never have happened.
      if (next == refused || next == from.state) continue;
      reach(from, from.placed, next, uses_.with(from.uses, c), open_classes[c].items[used]);
    }
  }

  bool step_budget() {
    return pace_.step([this] { return held_bytes(); });
  }

  StateId step(StateId state, CallClass call) {
    step_budget();
    return transitions_.step(state, call);
  }

  // `from` with `item` placed, and with every observer that holds in the state then.
  void reach(const Config<Mask>& from, Mask placed, StateId state, UseId uses, std::uint32_t item) {
    Mask seen;
    window_.observers().without(placed).for_each([&](std::size_t slot) {
      if (transitions_.holds(state, window_[slot].call)) seen.set(slot);
    });
    seen.for_each([&](std::size_t slot) { placed.set(slot); });
    state = foresight_.look(window_, space_, uses_, placed, state, uses);
    if (state == refused) return;
    const std::size_t completing = window_.slot();
    const bool done = placed.test(completing);
    if (done) placed.clear(completing);
    ConfigSet<Mask>& target = done ? survivors_ : reached_;
    if (!insert(target, placed, state, uses)) return;
    TrailNode node = trail_.extend(from.trail, item);
    seen.for_each([&](std::size_t slot) {
      const TrailNode next = trail_.extend(node, window_[slot].item);
      trail_.release(node);
      node = next;
    });
    target.commit(node);
  }

  // False if nothing survived the completion.
  bool finish_completion() {
    if (survivors_.alive() == 0) return pace_.spent();
    searching_ = false;
    trail_.release(fallback_);
    reached_.clear(trail_);
    current_.swap(survivors_);
    window_.forward();
    return true;
  }

  // Memory must depend on what is in flight: frees the states, use vectors and trails that no configuration needs any
  // more.
  void forget_the_past() {
    std::size_t any = 0;
    while (current_[any].dropped()) ++any;
    trail_.settle(current_[any].trail);
    if (space_.held() < forget_at_ && uses_.held() < forget_uses_at_) return;
    std::vector<bool> live(space_.ids());
    std::vector<UseId*> uses;
    for (std::size_t i = 0; i < current_.size(); ++i) {
      if (current_[i].dropped()) continue;
      live[current_[i].state] = true;
      uses.push_back(&current_[i].uses);
    }
    space_.keep(live);
    uses_.keep(uses);
    transitions_.forget();
    forget_at_ = 1024 + 4 * space_.held();
    forget_uses_at_ = 1024 + 4 * uses_.held();
  }

  const Items& items_;
  const CallTable& calls_;
  Space& space_;
  Window<Mask> window_;
  Transitions transitions_;
  Pace pace_;
  Trail trail_;
  Uses uses_;
  Relevance<Mask> relevance_;
  Foresight<Mask> foresight_;
  ConfigSet<Mask> current_;    // between events: all configurations
  ConfigSet<Mask> reached_;    // during a completion: without the completing operation, to be extended
  ConfigSet<Mask> survivors_;  // during a completion: with it, its slot given back
  bool searching_ = false;
  TrailNode fallback_ = 0;  // during a completion: the deepest before it
  std::size_t cursor_ = 0;
  std::uint64_t configurations_ = 0;
  std::size_t forget_at_ = 1024;
  std::size_t forget_uses_at_ = 1024;
};

}  // namespace

std::unique_ptr<Engine> make_frontier(const Items& items, const CallTable& calls, Space& space, const Budget& budget,
                                      std::size_t width) {
  if (width <= 64) return std::make_unique<Frontier<FixedMask<1>>>(items, calls, space, budget);
  if (width <= 128) return std::make_unique<Frontier<FixedMask<2>>>(items, calls, space, budget);
  if (width <= 256) return std::make_unique<Frontier<FixedMask<4>>>(items, calls, space, budget);
  return std::make_unique<Frontier<WideMask>>(items, calls, space, budget);
}

}  // namespace faultline::search
