#include "event_poll.hpp"

#include <chrono>
#include <iterator>

namespace faultline::live::remote {

EventPoll::~EventPoll() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void EventPoll::await(std::uint64_t event, Awaited awaited) {
  {
    const std::lock_guard lock(mutex_);
    awaited_[event] = std::move(awaited);
    if (std::exchange(looks_, true)) return;
  }
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread([this] { look(); });
}

// Those that were met and wait no longer; nullopt: nothing is left to look for.
std::optional<EventPoll::Events> EventPoll::to_let_go() {
  const std::lock_guard lock(mutex_);
  Events events;
  for (auto at = met_.begin(); at != met_.end();) {
    const auto& [event, each] = *at;
    const bool waits = each.holds && each.holds();
    if (!waits) events.push_back(event);
    at = waits ? std::next(at) : met_.erase(at);
  }
  looks_ = !ends_ && (!events.empty() || !met_.empty() || !awaited_.empty());
  return looks_ ? std::optional(std::move(events)) : std::nullopt;
}

void EventPoll::met(const Events& events) {
  const std::lock_guard lock(mutex_);
  for (const auto event : events) {
    auto found = awaited_.extract(event);
    if (found.empty()) continue;
    found.mapped().seen();
    met_.insert(std::move(found));
  }
}

void EventPoll::look() {
  constexpr auto between_questions = std::chrono::milliseconds(5);
  while (const auto let_go = to_let_go()) {
    const auto events = ask_(*let_go);
    if (!events) return;
    met(events.value());
    std::this_thread::sleep_for(between_questions);
  }
}

}  // namespace faultline::live::remote
