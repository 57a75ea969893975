// Columns: what a History stores its events in, a few bytes each where most of them say little.
//
// Grown at the end only, by one thread; read by many at once. Not for use outside of History.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace faultline::detail {

// Numbers that are mostly small: each takes as many bytes as the largest so far needs, and none while all are 0.
class NarrowColumn {
 public:
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const {
    switch (width_) {
      case 0: return 0;
      case 1: return ones_[i];
      case 2: return twos_[i];
      default: return fours_[i];
    }
  }
  void push_back(std::uint32_t number) {
    if (number > largest_) widen(number);
    switch (width_) {
      case 0: break;
      case 1: ones_.push_back(static_cast<std::uint8_t>(number)); break;
      case 2: twos_.push_back(static_cast<std::uint16_t>(number)); break;
      default: fours_.push_back(number); break;
    }
    ++size_;
  }
  void reserve(std::size_t size) {
    reserved_ = std::max(reserved_, size);
    if (width_ == 1) ones_.reserve(reserved_);
    if (width_ == 2) twos_.reserve(reserved_);
    if (width_ == 4) fours_.reserve(reserved_);
  }

 private:
  void widen(std::uint32_t number) {
    std::vector<std::uint8_t> ones;
    std::vector<std::uint16_t> twos;
    std::vector<std::uint32_t> fours;
    const auto move_to = [&](auto& wider) {
      wider.reserve(std::max(reserved_, size_ + 1));
      for (std::size_t i = 0; i < size_; ++i) {
        wider.push_back(static_cast<typename std::decay_t<decltype(wider)>::value_type>((*this)[i]));
      }
    };
    if (number <= std::numeric_limits<std::uint8_t>::max()) {
      move_to(ones);
      width_ = 1;
      largest_ = std::numeric_limits<std::uint8_t>::max();
    } else if (number <= std::numeric_limits<std::uint16_t>::max()) {
      move_to(twos);
      width_ = 2;
      largest_ = std::numeric_limits<std::uint16_t>::max();
    } else {
      move_to(fours);
      width_ = 4;
      largest_ = std::numeric_limits<std::uint32_t>::max();
    }
    ones_ = std::move(ones);
    twos_ = std::move(twos);
    fours_ = std::move(fours);
  }

  std::uint8_t width_ = 0;  // bytes: 0, 1, 2 or 4; only the vector of that width is used
  std::uint32_t largest_ = 0;
  std::size_t size_ = 0;
  std::size_t reserved_ = 0;
  std::vector<std::uint8_t> ones_;
  std::vector<std::uint16_t> twos_;
  std::vector<std::uint32_t> fours_;
};

// Numbers of lines: they mostly go up by one from event to event, so only where they do not is noted. 0: no line.
class LineColumn {
 public:
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const {
    const auto run = std::upper_bound(runs_.begin(), runs_.end(), i,
                                      [](std::size_t event, const Run& r) { return event < r.first_event; }) -
                     1;
    return run->line == 0 ? 0 : run->line + (static_cast<std::uint32_t>(i) - run->first_event);
  }
  void push_back(std::uint32_t line) {
    const std::uint32_t expected =
        runs_.empty() || runs_.back().line == 0 ? 0 : runs_.back().line + (size_ - runs_.back().first_event);
    if (runs_.empty() || line != expected) runs_.push_back({size_, line});
    ++size_;
  }

 private:
  struct Run {
    std::uint32_t first_event;
    std::uint32_t line;  // of that event
  };
  std::vector<Run> runs_;
  std::uint32_t size_ = 0;
};

}  // namespace faultline::detail
