// Foresight: spaces that know the items of the search, and from the results still to come refute states early.
//
// A search without it meets a wrong guess only where the guess is observed, which for queues and growing texts is long
// after; by then there are exponentially many guesses to undo. Refusals are necessary conditions only: a state that
// passes may still be a dead end.
#pragma once

#include <limits>
#include <memory>
#include <unordered_map>

#include <faultline/models.hpp>
#include <faultline/space.hpp>

#include "../problem.hpp"
#include "pace.hpp"

namespace faultline::search {

// kv: the text must be a beginning of what the next gets return, unless a put may come between whose text is one; and
// the appends that may come before the get must be long enough to make up the rest.
class KvSpace final : public ModelSpace<Kv> {
 public:
  KvSpace(const Kv& model, const Items& items, const Budget& budget);
  [[nodiscard]] bool foresees() const override { return true; }
  [[nodiscard]] EventIndex refuted(StateId state, std::span<const std::uint32_t> unplaced, std::uint32_t next) override;
  [[nodiscard]] StateId simplified(StateId state, std::span<const std::uint32_t> unplaced, std::uint32_t next) override;
  StateId step(StateId state, const Call& call) override;
  void keep(const std::vector<bool>& live) override;

 private:
  void choose_hidden(const Text& initial);
  [[nodiscard]] std::string_view goal(std::uint32_t get) const;
  [[nodiscard]] bool can_become(const Text& text, std::uint32_t get, std::span<const std::uint32_t> unplaced,
                                std::uint32_t next) const;

  [[nodiscard]] std::size_t appended_before(std::uint32_t get, std::span<const std::uint32_t> unplaced,
                                            std::uint32_t next) const;

  const Items& items_;
  std::vector<std::uint32_t> next_get_;       // by item: of it and the later ones the get that completes first
  std::vector<std::uint32_t> next_put_;       // by item: the first put from here on
  std::vector<std::uint64_t> appended_;       // by item: bytes appended by the earlier items
  std::vector<std::uint32_t> first_behind_;   // by item: the first that is invoked after its completion
  std::vector<std::uint32_t> next_sure_put_;  // by item: of it and the later ones the put that completes first
  StateId hidden_ = none;                     // none: every text might be told apart
};

// fifo-queue: who stands in front must leave first. For values that are enqueued once the conditions are those of
// Henzinger, Sezgin, Vafeiadis, "Aspect-oriented linearizability proofs", CONCUR 2013 (fresh, repeated, order,
// witness), checked once for the whole history and again, for the order chosen so far, for each state.
class FifoSpace final : public ModelSpace<FifoQueue> {
 public:
  FifoSpace(const FifoQueue& model, const Items& items, const Budget& budget);
  [[nodiscard]] bool foresees() const override { return true; }
  [[nodiscard]] EventIndex refuted(StateId state, std::span<const std::uint32_t> unplaced, std::uint32_t next) override;

 private:
  // Of one value.
  struct Life {
    std::size_t enqueues = 0;
    std::size_t dequeues = 0;
    std::uint32_t enqueue = none;  // the last one seen; of a value there initially: none
    std::uint32_t dequeue = none;
    [[nodiscard]] bool once() const { return enqueues == 1 && dequeues <= 1; }
  };
  static constexpr EventIndex never = std::numeric_limits<EventIndex>::max();

  void collect(const Line& initial, Poll& poll);
  void look_ahead(Poll& poll);
  [[nodiscard]] EventIndex broken_life(Poll& poll) const;
  [[nodiscard]] EventIndex broken_order(Poll& poll) const;
  [[nodiscard]] EventIndex broken_emptiness(Poll& poll) const;
  // The value cannot leave before this; 0 if nothing is known.
  [[nodiscard]] EventIndex leaves_after(const Life& life) const;
  // What the item asks of those that stand before it: to be gone when it completes. `none`: nothing.
  [[nodiscard]] EventIndex wants_others_gone_by(std::uint32_t item) const;

  const Items& items_;
  std::unordered_map<Value, Life> lives_;
  bool open_dequeue_ = false;
  std::vector<EventIndex> gone_by_;  // by item: the earliest wants_others_gone_by of it and the later ones
  EventIndex refuted_ = none;        // by the history as a whole
};

// stack: who lies on top must leave first. Of values that are pushed once and popped once it is known between which
// events they leave; so a state is refuted in which one must leave before another that lies above it, or that is still
// to be pushed and must have been by then.
class StackSpace final : public ModelSpace<Stack> {
 public:
  StackSpace(const Stack& model, const Items& items, const Budget& budget);
  [[nodiscard]] bool foresees() const override { return true; }
  [[nodiscard]] EventIndex refuted(StateId state, std::span<const std::uint32_t> unplaced, std::uint32_t next) override;

 private:
  // Of one value.
  struct Life {
    std::size_t pushes = 0;
    std::size_t pops = 0;
    std::uint32_t push = none, pop = none;  // the last ones seen; of a value there initially: none
    EventIndex last_pop = 0;                // the last completion of one
  };
  // A push still to be placed whose value is there, at the latest, from one event on, and at the earliest up to another.
  struct Stay {
    EventIndex from, to;
  };
  static constexpr EventIndex never = std::numeric_limits<EventIndex>::max();

  void collect(const Pile& initial, Poll& poll);
  [[nodiscard]] EventIndex broken_life(Poll& poll) const;
  [[nodiscard]] const Life* life_of(const Value& value) const;  // nullptr: nothing is known of it
  [[nodiscard]] EventIndex leaves_after(const Life& life) const;
  [[nodiscard]] EventIndex settled(EventIndex completion) const;

  const Items& items_;
  std::unordered_map<Value, Life> lives_;
  bool open_pop_ = false;
  std::vector<EventIndex> last_completion_;  // by item: of it and the earlier ones
  std::vector<EventIndex> next_empty_;  // by item: of it and the later ones the pop of nothing that completes first
  std::vector<Stay> stays_;             // kept between calls for its memory
  EventIndex refuted_ = none;           // by the history as a whole
};

// append-list: the list must be a beginning of what every read returns that is still to come.
class ListSpace final : public ModelSpace<AppendList> {
 public:
  ListSpace(const AppendList& model, const Items& items, const Budget& budget);
  [[nodiscard]] bool foresees() const override { return true; }
  [[nodiscard]] EventIndex refuted(StateId state, std::span<const std::uint32_t> unplaced, std::uint32_t next) override;

 private:
  [[nodiscard]] std::span<const Value> goal(std::uint32_t read) const;

  const Items& items_;
  std::vector<std::uint32_t> next_read_;  // by item: of it and the later ones the read that completes first
};

template <Model M>
std::unique_ptr<Space> make_space(const M& model, const Items& items, const Budget& budget) {
  if constexpr (std::is_same_v<M, Kv>) return std::make_unique<KvSpace>(model, items, budget);
  if constexpr (std::is_same_v<M, FifoQueue>) return std::make_unique<FifoSpace>(model, items, budget);
  if constexpr (std::is_same_v<M, Stack>) return std::make_unique<StackSpace>(model, items, budget);
  if constexpr (std::is_same_v<M, AppendList>) return std::make_unique<ListSpace>(model, items, budget);
  return std::make_unique<ModelSpace<M>>(model);
}

}  // namespace faultline::search
