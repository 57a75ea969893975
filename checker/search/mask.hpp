// Masks: sets of slots. FixedMask for up to 64, 128 or 256 operations in flight, WideMask for any number; same members.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include <faultline/rng.hpp>

namespace faultline::search {

template <std::size_t Words>
class FixedMask {
 public:
  static constexpr std::size_t capacity = Words * 64;

  [[nodiscard]] bool test(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  void set(std::size_t i) { words_[i / 64] |= 1ULL << (i % 64); }
  void clear(std::size_t i) { words_[i / 64] &= ~(1ULL << (i % 64)); }
  [[nodiscard]] bool any() const {
    return std::any_of(words_.begin(), words_.end(), [](std::uint64_t word) { return word != 0; });
  }
  [[nodiscard]] FixedMask without(const FixedMask& other) const {
    FixedMask result;
    for (std::size_t w = 0; w < Words; ++w) result.words_[w] = words_[w] & ~other.words_[w];
    return result;
  }
  [[nodiscard]] bool contains(const FixedMask& other) const {
    for (std::size_t w = 0; w < Words; ++w) {
      if ((other.words_[w] & ~words_[w]) != 0) return false;
    }
    return true;
  }
  [[nodiscard]] std::uint64_t hash() const {
    std::uint64_t h = 0;
    for (const std::uint64_t word : words_) h = mix64(h * 0x9e3779b97f4a7c15ULL + word);
    return h;
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t w = 0; w < Words; ++w) {
      for (std::uint64_t word = words_[w]; word != 0; word &= word - 1) {
        visit(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      }
    }
  }
  [[nodiscard]] std::size_t heap_bytes() const { return 0; }
  friend bool operator==(const FixedMask&, const FixedMask&) = default;

 private:
  std::array<std::uint64_t, Words> words_{};
};

// Words that are not there are zero; the last word that is there is not.
class WideMask {
 public:
  static constexpr std::size_t capacity = SIZE_MAX;

  [[nodiscard]] bool test(std::size_t i) const {
    return i / 64 < words_.size() && (words_[i / 64] >> (i % 64) & 1) != 0;
  }
  void set(std::size_t i) {
    if (i / 64 >= words_.size()) words_.resize(i / 64 + 1);
    words_[i / 64] |= 1ULL << (i % 64);
  }
  void clear(std::size_t i) {
    if (i / 64 >= words_.size()) return;
    words_[i / 64] &= ~(1ULL << (i % 64));
    trim();
  }
  [[nodiscard]] bool any() const { return !words_.empty(); }
  [[nodiscard]] WideMask without(const WideMask& other) const {
    WideMask result = *this;
    const std::size_t shared = std::min(words_.size(), other.words_.size());
    for (std::size_t w = 0; w < shared; ++w) result.words_[w] &= ~other.words_[w];
    result.trim();
    return result;
  }
  [[nodiscard]] bool contains(const WideMask& other) const {
    if (other.words_.size() > words_.size()) return false;
    for (std::size_t w = 0; w < other.words_.size(); ++w) {
      if ((other.words_[w] & ~words_[w]) != 0) return false;
    }
    return true;
  }
  [[nodiscard]] std::uint64_t hash() const {
    std::uint64_t h = 0;
    for (const std::uint64_t word : words_) h = mix64(h * 0x9e3779b97f4a7c15ULL + word);
    return h;
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t word = words_[w]; word != 0; word &= word - 1) {
        visit(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      }
    }
  }
  [[nodiscard]] std::size_t heap_bytes() const { return words_.capacity() * sizeof(std::uint64_t) + 16; }
  friend bool operator==(const WideMask&, const WideMask&) = default;

 private:
  void trim() {
    while (!words_.empty() && words_.back() == 0) words_.pop_back();
  }
  std::vector<std::uint64_t> words_;
};

}  // namespace faultline::search
