// Meter: polls a Budget at least every 1,000 steps and remembers which limit ended the search and the most memory
// seen; and sorting that lets itself be interrupted.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "../problem.hpp"

namespace faultline::registers {

class Meter {
 public:
  // `bytes` tells what the engine holds; called at every poll.
  Meter(const Budget& budget, std::function<std::uint64_t()> bytes) : budget_(&budget), bytes_(std::move(bytes)) {}
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // Counts `steps` of roughly equal cost. True once the budget is spent; the engine then unwinds without an answer.
  bool tick(std::uint64_t steps = 1) {
    pending_ += steps;
    if (pending_ >= 1000) poll();
    return spent_;
  }
  void poll() {
    steps_ += pending_;
    pending_ = 0;
    const std::uint64_t bytes = bytes_();
    peak_bytes_ = std::max(peak_bytes_, bytes);
    if (bytes > budget_->memory_limit) {
      end(std::string(stopped_by_memory));
    } else if (budget_->stopped()) {
      end(budget_->why_stopped());
    }
  }
  // Announces what is about to be allocated. False if it would break the limit; the meter is then spent.
  bool may_hold(std::uint64_t more) {
    const std::uint64_t bytes = bytes_();
    peak_bytes_ = std::max(peak_bytes_, bytes);
    if (bytes + more > budget_->memory_limit) end(std::string(stopped_by_memory));
    return !spent_;
  }
  // The same for what mostly is nothing.
  bool may_hold_next(std::uint64_t more) { return more < negligible ? !spent_ : may_hold(more); }
  // The same for a vector that is about to take `count` more elements of `each` bytes and may have to move.
  template <class Vector>
  bool may_grow(const Vector& vector, std::size_t count, std::uint64_t each) {
    if (vector.size() + count <= vector.capacity()) return !spent_;
    const std::uint64_t size = std::max(vector.size() + count, 2 * vector.capacity());
    return size * each < negligible ? !spent_ : may_hold(size * each);
  }

  [[nodiscard]] bool spent() const { return spent_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_ + pending_; }
  [[nodiscard]] std::uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  static constexpr std::uint64_t negligible = 1 << 16;

  void end(std::string reason) {
    if (!spent_) reason_ = std::move(reason);
    spent_ = true;
  }

  const Budget* budget_;
  std::function<std::uint64_t()> bytes_;
  std::uint64_t steps_ = 0;
  std::uint64_t pending_ = 0;
  std::uint64_t peak_bytes_ = 0;
  bool spent_ = false;
  std::string reason_;
};

// Sorts, polling every few thousand comparisons. False, with the elements in any order, once the meter is spent.
template <class T, class Less = std::less<>>
bool sort_metered(std::vector<T>& elements, Meter& meter, Less less = {}) {
  constexpr std::size_t run = 4096;  // sorted at once
  for (std::size_t begin = 0; begin < elements.size(); begin += run) {
    const auto first = elements.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::size_t size = std::min(run, elements.size() - begin);
    std::sort(first, first + static_cast<std::ptrdiff_t>(size), less);
    if (meter.tick(size)) return false;
  }
  if (elements.size() <= run) return true;
  if (!meter.may_hold(elements.size() * sizeof(T))) return false;
  std::vector<T> merged(elements.size());
  for (std::size_t width = run; width < elements.size(); width *= 2) {
    for (std::size_t begin = 0; begin < elements.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, elements.size());
      const std::size_t end = std::min(begin + 2 * width, elements.size());
      std::size_t left = begin;
      std::size_t right = middle;
      for (std::size_t out = begin; out < end; ++out) {
        const bool from_right = left == middle || (right < end && less(elements[right], elements[left]));
        merged[out] = std::move(elements[from_right ? right++ : left++]);
        if (meter.tick()) return false;
      }
    }
    elements.swap(merged);
  }
  return true;
}

}  // namespace faultline::registers
