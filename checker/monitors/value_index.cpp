#include "value_index.hpp"

#include <faultline/event.hpp>

#include <bit>

namespace faultline {

ValueIndex::ValueIndex(std::size_t expected) {
  values_.reserve(expected);
  slots_.resize(std::bit_ceil(expected * 2 + 16), 0);
}

std::size_t ValueIndex::slot_of(const Value& value) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = value.hash() & mask;
  while (slots_[slot] != 0 && !(*values_[slots_[slot] - 1] == value)) slot = (slot + 1) & mask;
  return slot;
}

void ValueIndex::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (std::uint32_t number = 0; number < values_.size(); ++number) slots_[slot_of(*values_[number])] = number + 1;
}

std::uint32_t ValueIndex::add(const Value& value) {
  std::size_t slot = slot_of(value);
  if (slots_[slot] != 0) return slots_[slot] - 1;
  if (values_.size() * 2 >= slots_.size()) {
    grow();
    slot = slot_of(value);
  }
  values_.push_back(&value);
  slots_[slot] = static_cast<std::uint32_t>(values_.size());
  return slots_[slot] - 1;
}

std::uint32_t ValueIndex::find(const Value& value) const {
  const std::size_t slot = slot_of(value);
  return slots_[slot] == 0 ? none : slots_[slot] - 1;
}

}  // namespace faultline
