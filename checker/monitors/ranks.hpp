// Ranks: the positions of one key's events renumbered without gaps, and orders laid out by the gap they were given.
#pragma once

#include <cstdint>
#include <vector>

#include "../problem.hpp"

namespace faultline {

using Rank = std::uint32_t;
// Later than every event: the completion of an open operation.
inline constexpr Rank never_returns = 0xffffffffU;

// One event of an item: its invocation or its completion.
struct RankedEvent {
  std::uint32_t item = none;
  bool completes = false;
};

struct Ranks {
  std::vector<Rank> invoked;    // by item
  std::vector<Rank> completed;  // by item; never_returns if open
  Rank count = 0;

  static Ranks of(const Items& items);
  // By rank.
  [[nodiscard]] std::vector<RankedEvent> events() const;
  // Whether the item may take effect in that gap.
  [[nodiscard]] bool fits(std::uint32_t item, Rank gap) const { return invoked[item] <= gap && gap < completed[item]; }
};

// Items with the gap each was given. Sorted by gap they are an order; within a gap they keep the sequence in which they were put.
class Layout {
 public:
  explicit Layout(std::size_t items) { entries_.reserve(items); }
  void put(std::uint32_t item, Rank gap) { entries_.push_back({item, gap}); }
  // False if an item was put outside its interval; else the order is complete and legal in real time.
  [[nodiscard]] bool fits(const Ranks& ranks) const;
  [[nodiscard]] std::vector<std::uint32_t> order(Rank gaps) const;

 private:
  struct Entry {
    std::uint32_t item;
    Rank gap;
  };
  std::vector<Entry> entries_;
};

}  // namespace faultline
