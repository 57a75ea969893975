// Transitions: the model's step with a memory of fixed size, so that equal questions are mostly asked once.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include <faultline/rng.hpp>
#include <faultline/space.hpp>

#include "calls.hpp"

namespace faultline::search {

class Transitions {
 public:
  // Many keys are small: the table is no larger than the problem deserves.
  Transitions(Space& space, const CallTable& calls, std::size_t items)
      : space_(space), calls_(calls), slots_(std::bit_ceil(std::clamp<std::size_t>(items * 4, 64, 1 << 15))) {}

  StateId step(StateId state, CallClass call) {
    const std::uint64_t key = std::uint64_t{state} << 32 | call;
    Entry& entry = slots_[mix64(key) & (slots_.size() - 1)];
    if (entry.key != key) {
      ++asked_;
      entry = {.key = key, .next = space_.step(state, calls_.call(call))};
    }
    return entry.next;
  }
  // Whether an observer sees what it reported.
  bool holds(StateId state, CallClass call) { return step(state, call) != refused; }

  // Numbers of states are about to change hands.
  void forget() { std::fill(slots_.begin(), slots_.end(), Entry{}); }
  // How often the model was asked.
  [[nodiscard]] std::uint64_t asked() const { return asked_; }
  [[nodiscard]] std::uint64_t bytes() const { return slots_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    std::uint64_t key = UINT64_MAX;
    StateId next = refused;
  };
  Space& space_;
  const CallTable& calls_;
  std::vector<Entry> slots_;
  std::uint64_t asked_ = 0;
};

}  // namespace faultline::search
