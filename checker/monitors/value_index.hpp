// ValueIndex: distinct values numbered from 0 in order of first appearance; a flat hash table that never hands its values back.
#pragma once

#include <cstdint>
#include <vector>

#include <faultline/value.hpp>

namespace faultline {

class ValueIndex {
 public:
  // The values must outlive the index.
  explicit ValueIndex(std::size_t expected);

  // The number of the value, a new one if it was not there.
  std::uint32_t add(const Value& value);
  // The number, or `none`.
  [[nodiscard]] std::uint32_t find(const Value& value) const;
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(values_.size()); }

 private:
  [[nodiscard]] std::size_t slot_of(const Value& value) const;
  void grow();

  std::vector<const Value*> values_;
  std::vector<std::uint32_t> slots_;  // number + 1; 0: free
};

}  // namespace faultline
