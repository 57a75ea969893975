// Space: the states of one search, numbered, so that engines need not know the model.
//
// Equal states get equal numbers. A number is valid until `keep` is called without it. Not for several threads at once:
// each search makes its own. ModelSpace turns any Model into one; a model without `hash` is compared with every state
// held, one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <faultline/assert.hpp>
#include <faultline/model.hpp>

namespace faultline {

using StateId = std::uint32_t;
inline constexpr StateId refused = none;

class Space {
 public:
  virtual ~Space() = default;
  virtual StateId initial() = 0;
  // `refused` if the object could not have answered so in that state.
  virtual StateId step(StateId state, const Call& call) = 0;
  // The call never changes the state.
  [[nodiscard]] virtual bool observer(const Call& call) const = 0;
  // In every state both orders of the two calls are possible or neither is, and both lead to the same state.
  [[nodiscard]] virtual bool commute(const Call& a, const Call& b) const = 0;

  // Foresight: what the results still to come say about a state, for spaces that were told the items of the search.
  [[nodiscard]] virtual bool foresees() const { return false; }
  // The completion (of an item) that cannot be met from this state, if that is known, else none. `unplaced`: the items
  // invoked before item number `next` that are not placed; all items from `next` on are not placed either.
  [[nodiscard]] virtual EventIndex refuted(StateId /*state*/, std::span<const std::uint32_t> /*unplaced*/,
                                           std::uint32_t /*next*/) {
    return none;
  }
  // A state that may stand in for this one because no result still to come tells them apart; most often itself.
  [[nodiscard]] virtual StateId simplified(StateId state, std::span<const std::uint32_t> /*unplaced*/,
                                           std::uint32_t /*next*/) {
    return state;
  }

  [[nodiscard]] virtual std::string describe(StateId state) const = 0;
  [[nodiscard]] virtual std::string explain(StateId state, const Call& call) const = 0;
  // Forgets the states that are not marked. REQUIRES: live.size() == ids().
  virtual void keep(const std::vector<bool>& live) = 0;
  // Every number given out is below this.
  [[nodiscard]] virtual std::size_t ids() const = 0;
  [[nodiscard]] virtual std::size_t held() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;  // an estimate, not below three quarters of the truth
};

namespace detail {

template <class M>
concept Hashing = requires(const M& m, const typename M::State& s) {
  { m.hash(s) } -> std::convertible_to<std::uint64_t>;
};
template <class M>
concept Observing = requires(const M& m, const Call& c) {
  { m.observer(c) } -> std::convertible_to<bool>;
};
template <class M>
concept Commuting = requires(const M& m, const Call& c) {
  { m.commute(c, c) } -> std::convertible_to<bool>;
};
template <class M>
concept Describing = requires(const M& m, const typename M::State& s) {
  { m.describe(s) } -> std::convertible_to<std::string>;
};
template <class M>
concept Explaining = requires(const M& m, const typename M::State& s, const Call& c) {
  { m.explain(s, c) } -> std::convertible_to<std::string>;
};
template <class M>
concept Accepting = requires(const M& m, std::string_view f) {
  { m.accepts(f) } -> std::convertible_to<bool>;
};
// What a state adds to those it shares structure with, in bytes.
template <class M>
concept Weighing = requires(const M& m, const typename M::State& s) {
  { m.weight(s) } -> std::convertible_to<std::size_t>;
};

template <class M>
std::string describe(const M& model, const typename M::State& state) {
  if constexpr (Describing<M>) return model.describe(state);
  return "?";
}
template <class M>
std::string explain(const M& model, const typename M::State& state, const Call& call) {
  if constexpr (Explaining<M>) return model.explain(state, call);
  return model.step(state, call) ? "" : "the model refuses it";
}

}  // namespace detail

template <Model M>
class ModelSpace : public Space {
 public:
  explicit ModelSpace(M model) : model_(std::move(model)), heads_(64, none) {}

  StateId initial() override { return intern(model_.init()); }

  StateId step(StateId state, const Call& call) override {
    std::optional<typename M::State> next = model_.step(*entries_[state].state, call);
    return next ? intern(std::move(*next)) : refused;
  }

  [[nodiscard]] bool observer(const Call& call) const override {
    if constexpr (detail::Observing<M>) return model_.observer(call);
    return false;
  }
  [[nodiscard]] bool commute(const Call& a, const Call& b) const override {
    if constexpr (detail::Commuting<M>) return model_.commute(a, b);
    return false;
  }
  [[nodiscard]] std::string describe(StateId state) const override {
    return detail::describe(model_, *entries_[state].state);
  }
  [[nodiscard]] std::string explain(StateId state, const Call& call) const override {
    return detail::explain(model_, *entries_[state].state, call);
  }

  void keep(const std::vector<bool>& live) override {
    FL_ASSERT(live.size() == entries_.size());
    for (StateId id = 0; id < entries_.size(); ++id) {
      if (live[id] || !entries_[id].state) continue;
      weight_ -= weigh(*entries_[id].state);
      entries_[id].state.reset();
      free_.push_back(id);
    }
    rehash(heads_.size());
  }

  [[nodiscard]] std::size_t ids() const override { return entries_.size(); }
  [[nodiscard]] std::size_t held() const override { return entries_.size() - free_.size(); }
  [[nodiscard]] std::uint64_t bytes() const override {
    return weight_ + entries_.capacity() * sizeof(Entry) + (heads_.capacity() + free_.capacity()) * sizeof(StateId);
  }

 protected:
  [[nodiscard]] const typename M::State& state(StateId id) const { return *entries_[id].state; }

  StateId intern(typename M::State state) {
    const std::uint64_t h = hash(state);
    for (StateId id = heads_[bucket(h)]; id != none; id = entries_[id].next) {
      if (entries_[id].hash == h && model_.equal(*entries_[id].state, state)) return id;
    }
    if (held() >= heads_.size()) rehash(heads_.size() * 2);
    weight_ += weigh(state);
    const StateId id = take_id();
    StateId& head = heads_[bucket(h)];
    entries_[id] = {.state = std::move(state), .hash = h, .next = head};
    head = id;
    return id;
  }

 private:
  struct Entry {
    std::optional<typename M::State> state;
    std::uint64_t hash = 0;
    StateId next = none;  // in the same bucket
  };

  std::size_t weigh(const typename M::State& state) const {
    if constexpr (detail::Weighing<M>) return model_.weight(state);
    return 0;
  }
  std::uint64_t hash(const typename M::State& state) const {
    if constexpr (detail::Hashing<M>) return model_.hash(state);
    return 0;
  }
  std::size_t bucket(std::uint64_t hash) const { return (hash * 0x9e3779b97f4a7c15ULL) >> shift_; }

  StateId take_id() {
    if (free_.empty()) {
      FL_ASSERT(entries_.size() < none);
      entries_.emplace_back();
      return static_cast<StateId>(entries_.size() - 1);
    }
    const StateId id = free_.back();
    free_.pop_back();
    return id;
  }

  void rehash(std::size_t size) {
    heads_.assign(size, none);
    shift_ = 64;
    for (std::size_t n = size; n > 1; n /= 2) --shift_;
    for (StateId id = 0; id < entries_.size(); ++id) {
      if (!entries_[id].state) continue;
      StateId& head = heads_[bucket(entries_[id].hash)];
      entries_[id].next = head;
      head = id;
    }
  }

  M model_;
  std::vector<Entry> entries_;
  std::vector<StateId> heads_;  // a power of two
  std::vector<StateId> free_;
  int shift_ = 58;
  std::uint64_t weight_ = 0;
};

}  // namespace faultline
