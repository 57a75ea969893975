// Pulse: a monitor's share of the budget: counts its steps, polls the clock now and then, and refuses work that memory does not allow.
#pragma once

#include <string>

#include "../problem.hpp"

namespace faultline {

class Pulse {
 public:
  // `bytes`: what the monitor will hold at most.
  Pulse(const Budget& budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {
    if (bytes > budget.memory_limit) reason_ = stopped_by_memory;
  }

  // False once a budget has run out.
  bool beat(std::uint64_t steps = 1) {
    steps_ += steps;
    return steps_ - polled_ < polls_every || poll();
  }
  // As beat, but asks the clock at once.
  bool poll() {
    polled_ = steps_;
    if (reason_.empty() && budget_.stopped()) reason_ = budget_.why_stopped();
    return reason_.empty();
  }
  [[nodiscard]] bool spent() const { return !reason_.empty(); }

  // A result of this engine with what it cost; `unknown` with the reason if a budget ran out.
  [[nodiscard]] SearchResult result(std::string_view engine) const {
    SearchResult result{.engine = std::string(engine), .reason = reason_};
    result.cost.configurations = steps_;
    result.cost.peak_bytes = spent() ? 0 : bytes_;
    return result;
  }

 private:
  static constexpr std::uint64_t polls_every = 65'536;

  const Budget& budget_;
  const std::uint64_t bytes_;
  std::uint64_t steps_ = 0;
  std::uint64_t polled_ = 0;
  std::string reason_;
};

}  // namespace faultline
