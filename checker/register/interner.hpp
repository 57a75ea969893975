// Interner: short sequences of 32-bit numbers, each distinct one stored once and named by an id. Id 0 is the empty
// sequence.
//
// Sequences live as long as the interner; an owner that keeps only a few of many interns those into a fresh one.
// Deterministic: ids follow the order of interning.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <faultline/rng.hpp>

namespace faultline::registers {

class Interner {
 public:
  using Id = std::uint32_t;

  Interner() { clear(); }

  Id intern(std::span<const std::uint32_t> sequence) {
    if (sequence.empty()) return 0;
    if ((begins_.size() + 1) * 2 > table_.size()) rehash(table_.size() * 2);
    std::size_t at = hash(sequence) & (table_.size() - 1);
    while (table_[at] != 0) {
      const auto other = get(table_[at]);
      if (std::equal(other.begin(), other.end(), sequence.begin(), sequence.end())) return table_[at];
      at = (at + 1) & (table_.size() - 1);
    }
    const auto id = static_cast<Id>(begins_.size() - 1);
    data_.insert(data_.end(), sequence.begin(), sequence.end());
    begins_.push_back(static_cast<std::uint32_t>(data_.size()));
    table_[at] = id;
    return id;
  }

  // Valid until the next call of intern.
  [[nodiscard]] std::span<const std::uint32_t> get(Id id) const {
    return {data_.data() + begins_[id], data_.data() + begins_[id + 1]};
  }

  [[nodiscard]] std::size_t size() const { return begins_.size() - 1; }
  [[nodiscard]] std::uint64_t bytes() const {
    return (data_.capacity() + begins_.capacity() + table_.capacity()) * sizeof(std::uint32_t);
  }

  // What the next sequence may cost at once.
  [[nodiscard]] std::uint64_t growth() const {
    constexpr std::size_t longest = 1024;
    std::size_t numbers = data_.size() + longest > data_.capacity() ? 2 * data_.capacity() : 0;
    if (begins_.size() == begins_.capacity()) numbers += 2 * begins_.capacity();
    if ((begins_.size() + 1) * 2 > table_.size()) numbers += 2 * table_.size();
    return numbers * sizeof(std::uint32_t);
  }

  void clear() {
    data_.clear();
    begins_.assign({0, 0});
    table_.assign(64, 0);
  }

 private:
  static std::uint64_t hash(std::span<const std::uint32_t> sequence) {
    std::uint64_t h = sequence.size();
    for (const std::uint32_t x : sequence) h = mix64(h * 0x9e3779b97f4a7c15ULL + x);
    return h;
  }
  void rehash(std::size_t size) {
    table_.assign(size, 0);
    for (Id id = 1; id + 1 < begins_.size(); ++id) {
      std::size_t at = hash(get(id)) & (size - 1);
      while (table_[at] != 0) at = (at + 1) & (size - 1);
      table_[at] = id;
    }
  }

  std::vector<std::uint32_t> data_;
  std::vector<std::uint32_t> begins_;  // of each id, then the end
  std::vector<Id> table_;              // open addressing; 0: free
};

}  // namespace faultline::registers
