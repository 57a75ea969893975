// Meter: polls a Budget at least every 1,000 steps and remembers which limit ended the search and the most memory seen.
#pragma once

#include <algorithm>
#include <functional>
#include <string>

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
      spent_ = true;
      reason_ = "memory limit";
    } else if (budget_->stop && budget_->stop()) {
      spent_ = true;
      reason_ = "time limit";
    }
  }

  [[nodiscard]] bool spent() const { return spent_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_ + pending_; }
  [[nodiscard]] std::uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  const Budget* budget_;
  std::function<std::uint64_t()> bytes_;
  std::uint64_t steps_ = 0;
  std::uint64_t pending_ = 0;
  std::uint64_t peak_bytes_ = 0;
  bool spent_ = false;
  std::string reason_;
};

}  // namespace faultline::registers
