#include <faultline/live/events.hpp>

#include <algorithm>
#include <array>

namespace faultline::live {
namespace {

// Kinds that are applied without the help of the daemon that is held.
bool can_wait_for(const Decision& decision) {
  constexpr std::array<std::string_view, 14> kinds{"partition", "packet",      "clog",     "swizzle_clog", "kill",
                                                   "wipe",      "crash_point", "io_error", "fsync_error",  "enospc",
                                                   "slow_disk", "bit_flip",    "truncate", "pressure"};
  return std::get<EventTrigger>(decision.when).after <= Duration::zero() &&
         std::find(kinds.begin(), kinds.end(), decision.fault.kind) != kinds.end();
}

}  // namespace

EventBoard::EventBoard(const Schedule& schedule) {
  for (const Decision& decision : schedule.decisions) {
    const auto* trigger = std::get_if<EventTrigger>(&decision.when);
    if (trigger == nullptr || std::holds_alternative<HealTrigger>(trigger->what)) continue;
    watched_.push_back({decision.id, *trigger});
    states_[decision.id].may_hold = can_wait_for(decision);
  }
}

void EventBoard::happened(std::uint64_t decision) {
  const std::lock_guard lock(mutex_);
  State& state = states_[decision];
  if (state.when || !clock_) return;
  state.when = clock_();
  wake_();
}

std::optional<Instant> EventBoard::when(std::uint64_t decision) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(decision);
  return found == states_.end() ? std::nullopt : found->second.when;
}

void EventBoard::performed(std::uint64_t decision) {
  const std::lock_guard lock(mutex_);
  if (const auto found = states_.find(decision); found != states_.end()) found->second.is_performed = true;
}

bool EventBoard::may_hold(std::uint64_t decision) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(decision);
  return found != states_.end() && found->second.may_hold;
}

bool EventBoard::holds(std::uint64_t decision) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(decision);
  if (found == states_.end() || !clock_) return false;
  const State& state = found->second;
  return state.may_hold && state.when && !state.is_performed && clock_() < *state.when + hold_limit;
}

std::vector<std::uint64_t> EventBoard::missed() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> decisions;
  for (const Watched& each : watched_) {
    if (!states_.at(each.decision).when) decisions.push_back(each.decision);
  }
  return decisions;
}

void EventBoard::open(std::function<Instant()> clock, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  clock_ = std::move(clock);
  wake_ = std::move(wake);
}

void EventBoard::close() {
  const std::lock_guard lock(mutex_);
  clock_ = nullptr;
  wake_ = nullptr;
}

}  // namespace faultline::live
