// CallTable: which items make equal calls. Equal calls lead from equal states to equal states, so transitions are
// remembered per class of call, and equal operations in flight need not be told apart.
#pragma once

#include <cstdint>
#include <vector>

#include "../problem.hpp"

namespace faultline::search {

using CallClass = std::uint32_t;

class CallTable {
 public:
  // The items must outlive the table.
  // Ends early, and is of no use then, once the budget says stop.
  explicit CallTable(const Items& items, const Budget& budget = {});

  [[nodiscard]] CallClass of(std::uint32_t item) const { return classes_[item]; }
  [[nodiscard]] const Call& call(CallClass c) const { return items_[firsts_[c]].call; }
  [[nodiscard]] std::uint64_t bytes() const {
    return (classes_.capacity() + firsts_.capacity()) * sizeof(std::uint32_t);
  }

 private:
  const Items& items_;
  std::vector<CallClass> classes_;     // by item
  std::vector<std::uint32_t> firsts_;  // by class: an item of it
};

// The most items that have been invoked, have not completed, and will, at any one time.
std::size_t widest_window(const Items& items, const Budget& budget = {});

}  // namespace faultline::search
