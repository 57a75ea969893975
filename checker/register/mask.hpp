// Mask: a set of pending slots, as machine words. Small ones are fixed arrays the compiler unrolls; WideMask has no
// maximum.
//
// Both kinds offer the same members, so that engines are templates over them. Bits beyond a WideMask's words read as
// clear.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <faultline/rng.hpp>

namespace faultline::registers {

template <unsigned Words>
class Mask {
 public:
  static constexpr unsigned capacity = Words * 64;

  [[nodiscard]] bool test(unsigned i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  void set(unsigned i) { words_[i / 64] |= 1ULL << (i % 64); }
  void reset(unsigned i) { words_[i / 64] &= ~(1ULL << (i % 64)); }
  [[nodiscard]] bool any() const {
    std::uint64_t all = 0;
    for (unsigned w = 0; w < Words; ++w) all |= words_[w];
    return all != 0;
  }
  [[nodiscard]] bool none() const { return !any(); }
  [[nodiscard]] unsigned count() const {
    int n = 0;
    for (unsigned w = 0; w < Words; ++w) n += std::popcount(words_[w]);
    return static_cast<unsigned>(n);
  }
  // Whether every member of `other` is in here.
  [[nodiscard]] bool contains(const Mask& other) const {
    std::uint64_t missing = 0;
    for (unsigned w = 0; w < Words; ++w) missing |= other.words_[w] & ~words_[w];
    return missing == 0;
  }
  Mask& operator|=(const Mask& o) {
    for (unsigned w = 0; w < Words; ++w) words_[w] |= o.words_[w];
    return *this;
  }
  Mask& operator&=(const Mask& o) {
    for (unsigned w = 0; w < Words; ++w) words_[w] &= o.words_[w];
    return *this;
  }
  Mask& operator^=(const Mask& o) {
    for (unsigned w = 0; w < Words; ++w) words_[w] ^= o.words_[w];
    return *this;
  }
  // Removes the members of `o`.
  Mask& operator-=(const Mask& o) {
    for (unsigned w = 0; w < Words; ++w) words_[w] &= ~o.words_[w];
    return *this;
  }
  friend Mask operator|(Mask a, const Mask& b) { return a |= b; }
  friend Mask operator&(Mask a, const Mask& b) { return a &= b; }
  friend Mask operator^(Mask a, const Mask& b) { return a ^= b; }
  friend Mask operator-(Mask a, const Mask& b) { return a -= b; }
  friend bool operator==(const Mask&, const Mask&) = default;

  [[nodiscard]] std::uint64_t hash() const {
    std::uint64_t h = 0;
    for (unsigned w = 0; w < Words; ++w) h = mix64(h * 0x9e3779b97f4a7c15ULL + words_[w]);
    return h;
  }
  template <class Visit>
  void each(Visit visit) const {
    for (unsigned w = 0; w < Words; ++w) {
      for (std::uint64_t rest = words_[w]; rest != 0; rest &= rest - 1) {
        visit(w * 64 + static_cast<unsigned>(std::countr_zero(rest)));
      }
    }
  }
  [[nodiscard]] static std::uint64_t heap_bytes() { return 0; }

 private:
  std::uint64_t words_[Words] = {};
};

class WideMask {
 public:
  static constexpr unsigned capacity = ~0U;

  [[nodiscard]] bool test(unsigned i) const { return (word(i / 64) >> (i % 64) & 1) != 0; }
  void set(unsigned i) {
    grow(i / 64 + 1);
    words_[i / 64] |= 1ULL << (i % 64);
  }
  void reset(unsigned i) {
    if (i / 64 < words_.size()) words_[i / 64] &= ~(1ULL << (i % 64));
  }
  [[nodiscard]] bool any() const {
    return std::any_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w != 0; });
  }
  [[nodiscard]] bool none() const { return !any(); }
  [[nodiscard]] unsigned count() const {
    int n = 0;
    for (const std::uint64_t w : words_) n += std::popcount(w);
    return static_cast<unsigned>(n);
  }
  [[nodiscard]] bool contains(const WideMask& other) const {
    for (std::size_t w = 0; w < other.words_.size(); ++w) {
      if ((other.words_[w] & ~word(w)) != 0) return false;
    }
    return true;
  }
  WideMask& operator|=(const WideMask& o) {
    grow(o.words_.size());
    for (std::size_t w = 0; w < o.words_.size(); ++w) words_[w] |= o.words_[w];
    return *this;
  }
  WideMask& operator&=(const WideMask& o) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] &= o.word(w);
    return *this;
  }
  WideMask& operator^=(const WideMask& o) {
    grow(o.words_.size());
    for (std::size_t w = 0; w < o.words_.size(); ++w) words_[w] ^= o.words_[w];
    return *this;
  }
  WideMask& operator-=(const WideMask& o) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] &= ~o.word(w);
    return *this;
  }
  friend WideMask operator|(WideMask a, const WideMask& b) { return a |= b; }
  friend WideMask operator&(WideMask a, const WideMask& b) { return a &= b; }
  friend WideMask operator^(WideMask a, const WideMask& b) { return a ^= b; }
  friend WideMask operator-(WideMask a, const WideMask& b) { return a -= b; }
  friend bool operator==(const WideMask& a, const WideMask& b) {
    for (std::size_t w = 0; w < std::max(a.words_.size(), b.words_.size()); ++w) {
      if (a.word(w) != b.word(w)) return false;
    }
    return true;
  }

  // Trailing clear words do not count: equal masks hash alike.
  [[nodiscard]] std::uint64_t hash() const {
    std::size_t used = words_.size();
    while (used > 0 && words_[used - 1] == 0) --used;
    std::uint64_t h = 0;
    for (std::size_t w = 0; w < used; ++w) h = mix64(h * 0x9e3779b97f4a7c15ULL + words_[w]);
    return h;
  }
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t rest = words_[w]; rest != 0; rest &= rest - 1) {
        visit(static_cast<unsigned>(w * 64) + static_cast<unsigned>(std::countr_zero(rest)));
      }
    }
  }
  [[nodiscard]] std::uint64_t heap_bytes() const { return words_.capacity() * sizeof(std::uint64_t); }

 private:
  [[nodiscard]] std::uint64_t word(std::size_t w) const { return w < words_.size() ? words_[w] : 0; }
  void grow(std::size_t words) {
    if (words_.size() < words) words_.resize(words);
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace faultline::registers
