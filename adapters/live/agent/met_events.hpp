// MetEvents: awaited events that have happened on a node: what met one waits until the harness, which asks for them, lets it go, but no longer
// than 2 s (EventBoard::hold_limit), whatever becomes of the harness.
//
// Events are known by numbers. Thread rules: any thread; no call waits.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include <faultline/live/traffic.hpp>

namespace faultline::live::agent {

class MetEvents {
 public:
  void meet(std::uint64_t event) {
    const std::lock_guard lock(mutex_);
    held_until_[event] = steady_now() + std::chrono::seconds(2);
  }
  void let_go(std::uint64_t event) {
    const std::lock_guard lock(mutex_);
    if (const auto found = held_until_.find(event); found != held_until_.end()) found->second = Instant::min();
  }
  [[nodiscard]] bool holds(std::uint64_t event) const {
    const std::lock_guard lock(mutex_);
    const auto found = held_until_.find(event);
    return found != held_until_.end() && steady_now() < found->second;
  }
  [[nodiscard]] std::vector<std::uint64_t> all() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> events;
    for (const auto& [event, until] : held_until_) events.push_back(event);
    return events;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Instant> held_until_;
};

}  // namespace faultline::live::agent
