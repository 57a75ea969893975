// Locks.
//
// Acquisitions and releases alternate, and all of a kind have the same effect. Walk along the events and place an operation only when it
// must be placed: at its return. Every operation placed then is in flight or open, so real time allows any order among those.
//   If the lock is in the right state for the returning operation o, place o alone. A legal order may place a_1 r_1 a_2 r_2 .. o here; but
//   o does what a_1 does, each a_i what a_i+1 does, and the last a_i what o does: with these roles exchanged o comes first and the rest
//   can wait, as each of them returns later than o.
//   Otherwise one of the other kind must come between. Take the one in flight that returns first, an open one only if there is no other:
//   whichever a legal order takes instead can trade places with it, as it returns later or never. Then as before.
// If there is none, no order exists: nothing was placed that could have waited, nothing spent that could have been saved.
#include <algorithm>
#include <queue>

#include "pulse.hpp"
#include "ranks.hpp"
#include "tallies.hpp"

namespace faultline {

std::optional<SearchResult> monitor_mutex(const Items& items, bool held, const Budget& budget) {
  constexpr std::uint64_t bytes_per_item = 64;
  constexpr std::string_view engine = "mutex";
  Pulse pulse(budget, items.size() * bytes_per_item);
  if (!pulse.poll()) return pulse.result(engine);
  const Ranks ranks = Ranks::of(items);
  const std::vector<RankedEvent> events = ranks.events();
  using InFlight = std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>>;  // return, then item
  InFlight acquisitions, releases;
  std::vector<bool> placed(items.size(), false);
  std::vector<std::uint32_t> order;
  order.reserve(items.size());
  const auto place = [&](InFlight& kind) {
    const auto item = static_cast<std::uint32_t>(kind.top());
    kind.pop();
    placed[item] = true;
    order.push_back(item);
    held = !held;
  };
  for (const RankedEvent& event : events) {
    if (!pulse.beat()) return pulse.result(engine);
    const bool acquires = items[event.item].call.f == "acquire";
    InFlight& same = acquires ? acquisitions : releases;
    InFlight& other = acquires ? releases : acquisitions;
    if (!event.completes) {
      same.push(std::uint64_t{ranks.completed[event.item]} << 32 | event.item);
    } else if (!placed[event.item]) {
      if (acquires == held && other.empty()) {
        SearchResult result = pulse.result(engine);
        result.kind = VerdictKind::invalid;
        result.order = std::move(order);
        result.died_at = items[event.item].completed;
        return result;
      }
      if (acquires == held) place(other);
      place(same);  // of those in flight the one that returns now
    }
  }
  SearchResult result = pulse.result(engine);
  result.kind = VerdictKind::valid;
  result.order = std::move(order);
  return result;
}

}  // namespace faultline
