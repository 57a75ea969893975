// Pace: the budget of one search as its engines see it: steps are counted, and every 64th asks whether time or memory
// is used up.
//
// Memory is what the engine says it holds. Growth is announced before it happens (`may_grow`), so that a table that
// doubles never takes a search past its limit; once refused, the search is over.
#pragma once

#include <cstdint>

#include "../problem.hpp"

namespace faultline::search {

// For a pass over all items: asks every 512th time whether the budget says stop.
class Poll {
 public:
  explicit Poll(const Budget& budget) : budget_(budget) {}
  bool operator()() {
    if (++count_ % 512 == 0 && budget_.stopped()) stopped_ = true;
    return stopped_;
  }
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  const Budget& budget_;
  std::uint32_t count_ = 0;
  bool stopped_ = false;
};

class Pace {
 public:
  explicit Pace(const Budget& budget) : budget_(budget) {}

  // One step, costing as much as looking a transition up. False once the budget is spent.
  template <class HeldBytes>
  bool step(HeldBytes held_bytes) {
    ++steps_;
    return steps_ % 64 == 0 ? poll(held_bytes()) : !spent();
  }
  // Many steps at once.
  template <class HeldBytes>
  bool steps(std::uint64_t count, HeldBytes held_bytes) {
    const std::uint64_t before = steps_ / 64;
    steps_ += count;
    return steps_ / 64 != before ? poll(held_bytes()) : !spent();
  }
  // True if `bytes` more than `held_bytes` are allowed.
  bool may_grow(std::uint64_t held_bytes, std::uint64_t bytes) {
    note(held_bytes);
    if (held_bytes + bytes > budget_.memory_limit) out_of_memory_ = true;
    return !out_of_memory_;
  }
  bool poll(std::uint64_t held_bytes) {
    note(held_bytes);
    if (held_bytes > budget_.memory_limit) out_of_memory_ = true;
    if (budget_.stopped()) stopped_ = true;
    return !spent();
  }

  [[nodiscard]] bool spent() const { return stopped_ || out_of_memory_; }
  [[nodiscard]] bool out_of_memory() const { return out_of_memory_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  void note(std::uint64_t held_bytes) {
    if (held_bytes > peak_bytes_) peak_bytes_ = held_bytes;
  }

  const Budget& budget_;
  std::uint64_t steps_ = 0;
  std::uint64_t peak_bytes_ = 0;
  bool stopped_ = false;
  bool out_of_memory_ = false;
};

}  // namespace faultline::search
