// Depth first over the frontier's moves: one path at a time, dead ends remembered. Finds an order of a valid history
// quickly where the frontier is wide, because it tries the likely move first; exhaustion is a proof that there is none.
//
// Lowe 2017 with the rules of frontier.cpp (lazy, observers, twins, relevance, foresight). A dead end is an event with
// a configuration that fails there; the table of them is bounded and forgets the older of two that meet, which costs
// time and never an answer. Memory: the path, one frame for each choice along the history, and the table.
#include <faultline/assert.hpp>
#include <faultline/rng.hpp>

#include <algorithm>

#include "engine.hpp"
#include "sight.hpp"
#include "transitions.hpp"
#include "uses.hpp"
#include "window.hpp"

namespace faultline::search {

namespace {

template <class Mask>
class DepthFirst final : public Engine {
 public:
  DepthFirst(const Items& items, const CallTable& calls, Space& space, const Budget& budget)
      : items_(items),
        calls_(calls),
        space_(space),
        window_(items, calls, space, budget),
        transitions_(space, calls, items.size()),
        pace_(budget),
        dead_(1024) {
    here_.state = space.initial();
    walk();
  }

  Progress advance(std::uint64_t steps) override {
    const std::uint64_t until = pace_.steps() + steps;
    while (pace_.steps() < until) {
      if (pace_.spent()) return Progress::spent;
      if (window_.at_end() && !failing_) return Progress::valid;
      if (frames_.empty()) return Progress::invalid;
      try_next_move();
    }
    return pace_.spent() ? Progress::spent : Progress::running;
  }

  [[nodiscard]] std::vector<std::uint32_t> order() const override {
    return window_.at_end() || deepest_.size() < order_.size() ? order_ : deepest_;
  }
  [[nodiscard]] EventIndex died_at() const override { return std::max(furthest_completion_, foresight_.horizon()); }
  [[nodiscard]] std::uint64_t configurations() const override { return configurations_; }
  [[nodiscard]] const Pace& pace() const override { return pace_; }

 private:
  struct Place {
    Mask placed;
    StateId state = refused;
    UseId uses = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };
  // The completion at `position` needs an operation that `place` has not placed.
  struct Frame {
    Place place;
    std::uint32_t position;
    std::uint32_t order_size;
    std::uint32_t moves;  // where its moves begin in moves_; they end where those of the next frame begin
  };
  struct Move {
    std::uint32_t what;  // a slot, or an open class
    bool open;
    StateId next;
  };
  struct DeadEnd {
    Place place;
    std::uint32_t position = none;
  };

  // Goes on from `here_` until a completion needs a choice, or the end.
  void walk() {
    for (; !window_.at_end(); window_.forward()) {
      pace_.step([this] { return held_bytes(); });
      const std::uint32_t item = window_.item();
      if (window_.completes()) {
        const std::size_t slot = window_.slot();
        if (!here_.placed.test(slot)) return choose();
        here_.placed.clear(slot);
        continue;
      }
      if (window_.opens() || !space_.observer(items_[item].call)) continue;
      if (!transitions_.holds(here_.state, calls_.of(item))) continue;
      here_.placed.set(window_.slot());
      order_.push_back(item);
    }
  }

  void choose() {
    ++configurations_;
    const EventIndex completion = items_[window_.item()].completed;
    if (furthest_completion_ == none || completion > furthest_completion_) furthest_completion_ = completion;
    if (!looks_possible() || is_dead()) {
      failing_ = true;
      return;
    }
    frames_.push_back({.place = here_,
                       .position = window_.position(),
                       .order_size = static_cast<std::uint32_t>(order_.size()),
                       .moves = static_cast<std::uint32_t>(moves_.size())});
    list_moves();
    pace_.may_grow(held_bytes(), frames_.size() == frames_.capacity() ? frames_.capacity() * 2 * sizeof(Frame) : 0);
  }

  bool looks_possible() {
    const StateId state = foresight_.look(window_, space_, uses_, here_.placed, here_.state, here_.uses);
    if (state == refused) return false;
    here_.state = state;
    return true;
  }

  // Pushes the legal moves so that the most promising is on top: the one that places the completing operation, then
  // those with the earliest deadline, open operations last.
  void list_moves() {
    relevance_.find(window_, calls_, space_);
    const auto begin = static_cast<std::ptrdiff_t>(moves_.size());
    const auto& open_classes = window_.open_classes();
    for (std::uint32_t c = 0; c < open_classes.size(); ++c) {
      if (!relevance_.open(c) || uses_.count(here_.uses, c) == open_classes[c].items.size()) continue;
      const StateId next = step(open_classes[c].call);
      if (next != refused && next != here_.state) moves_.push_back({.what = c, .open = true, .next = next});
    }
    const auto middle = static_cast<std::ptrdiff_t>(moves_.size());
    window_.mutators().without(here_.placed).for_each([&](std::size_t slot) {
      if (!relevance_.slot(slot) || window_.earlier_twins(slot).without(here_.placed).any()) return;
      const StateId next = step(window_[slot].call);
      if (next != refused) moves_.push_back({.what = static_cast<std::uint32_t>(slot), .open = false, .next = next});
    });
    const auto latest_first = [&](const Move& a, const Move& b) {
      return window_[a.what].deadline > window_[b.what].deadline;
    };
    std::sort(moves_.begin() + middle, moves_.end(), latest_first);
    // If an observer has to be satisfied, whatever satisfies it at once comes first.
    const std::size_t completing = window_.slot();
    if (!window_.observers().test(completing)) return;
    std::stable_partition(moves_.begin() + begin, moves_.end(),
                          [&](const Move& move) { return !transitions_.holds(move.next, window_[completing].call); });
  }

  StateId step(CallClass call) {
    pace_.step([this] { return held_bytes(); });
    return transitions_.step(here_.state, call);
  }

  void try_next_move() {
    pace_.step([this] { return held_bytes(); });
    Frame& frame = frames_.back();
    if (failing_) {
      if (order_.size() > deepest_.size()) deepest_ = order_;
      while (window_.position() > frame.position) window_.back();
      order_.resize(frame.order_size);
      here_ = frame.place;
      failing_ = false;
    }
    if (moves_.size() == frame.moves) {
      remember_dead(frame);
      frames_.pop_back();
      failing_ = true;
      return;
    }
    const Move move = moves_.back();
    moves_.pop_back();
    make(move);
    if (!looks_possible()) {
      failing_ = true;
      return;
    }
    forget_the_past();
    walk();
  }

  void make(const Move& move) {
    here_.state = move.next;
    if (move.open) {
      order_.push_back(window_.open_classes()[move.what].items[uses_.count(here_.uses, move.what)]);
      here_.uses = uses_.with(here_.uses, move.what);
    } else {
      order_.push_back(window_[move.what].item);
      here_.placed.set(move.what);
    }
    window_.observers().without(here_.placed).for_each([&](std::size_t slot) {
      if (!transitions_.holds(here_.state, window_[slot].call)) return;
      here_.placed.set(slot);
      order_.push_back(window_[slot].item);
    });
  }

  [[nodiscard]] std::size_t dead_slot(const Place& place, std::uint32_t position) const {
    const std::uint64_t hash = place.placed.hash() ^ mix64(std::uint64_t{place.state} << 32 | place.uses);
    return mix64(hash + position * 0x9e3779b97f4a7c15ULL) & (dead_.size() - 1);
  }
  [[nodiscard]] bool is_dead() const {
    const DeadEnd& entry = dead_[dead_slot(here_, window_.position())];
    return entry.position == window_.position() && entry.place == here_;
  }
  void remember_dead(const Frame& frame) {
    constexpr std::size_t largest = 1 << 20;
    if (++dead_count_ > dead_.size() && dead_.size() < largest &&
        pace_.may_grow(held_bytes(), dead_.size() * 2 * sizeof(DeadEnd))) {
      std::vector<DeadEnd> old(dead_.size() * 2);
      old.swap(dead_);
      for (DeadEnd& entry : old) {
        if (entry.position != none) dead_[dead_slot(entry.place, entry.position)] = std::move(entry);
      }
    }
    dead_[dead_slot(frame.place, frame.position)] = {.place = frame.place, .position = frame.position};
  }

  // States off the path are freed now and then; what is known to be dead is forgotten with them.
  void forget_the_past() {
    if (space_.held() < forget_at_) return;
    std::vector<bool> live(space_.ids());
    for (const Frame& frame : frames_) live[frame.place.state] = true;
    for (const Move& move : moves_) live[move.next] = true;
    live[here_.state] = true;
    space_.keep(live);
    transitions_.forget();
    std::fill(dead_.begin(), dead_.end(), DeadEnd{});
    dead_count_ = 0;
    forget_at_ = (1 << 16) + 4 * space_.held();
  }

  [[nodiscard]] std::uint64_t held_bytes() const {
    return frames_.capacity() * sizeof(Frame) + moves_.capacity() * sizeof(Move) + dead_.capacity() * sizeof(DeadEnd) +
           (order_.capacity() + deepest_.capacity()) * sizeof(std::uint32_t) + uses_.bytes() + window_.bytes() +
           transitions_.bytes() + space_.bytes();
  }

  const Items& items_;
  const CallTable& calls_;
  Space& space_;
  Window<Mask> window_;
  Transitions transitions_;
  Pace pace_;
  Uses uses_;
  Relevance<Mask> relevance_;
  Foresight<Mask> foresight_;
  Place here_;
  std::vector<Frame> frames_;
  std::vector<Move> moves_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> deepest_;
  std::vector<DeadEnd> dead_;
  std::size_t dead_count_ = 0;
  bool failing_ = false;
  EventIndex furthest_completion_ = none;
  std::uint64_t configurations_ = 0;
  std::size_t forget_at_ = 1 << 16;
};

}  // namespace

std::unique_ptr<Engine> make_depth_first(const Items& items, const CallTable& calls, Space& space, const Budget& budget,
                                         std::size_t width) {
  if (width <= 64) return std::make_unique<DepthFirst<FixedMask<1>>>(items, calls, space, budget);
  if (width <= 128) return std::make_unique<DepthFirst<FixedMask<2>>>(items, calls, space, budget);
  if (width <= 256) return std::make_unique<DepthFirst<FixedMask<4>>>(items, calls, space, budget);
  return std::make_unique<DepthFirst<WideMask>>(items, calls, space, budget);
}

}  // namespace faultline::search
