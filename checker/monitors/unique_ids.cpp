// Unique ids.
//
// Operations that returned different ids commute, and two that returned the same one exclude each other in every order. So a history is
// linearizable iff no id occurs twice; operations in the order of their invocations are a legal order, as each returned after it was
// invoked itself. Operations that never returned constrain nothing.
#include <algorithm>

#include "pulse.hpp"
#include "tallies.hpp"
#include "value_index.hpp"

namespace faultline {

std::optional<SearchResult> monitor_unique_ids(const Items& items, const Budget& budget) {
  constexpr std::uint64_t bytes_per_item = 32;
  constexpr std::string_view engine = "unique-ids";
  Pulse pulse(budget, items.size() * bytes_per_item);
  if (!pulse.poll()) return pulse.result(engine);
  ValueIndex index(items.size());
  std::vector<std::uint32_t> holders;  // by id: of its holders the one that returned first
  std::vector<std::uint32_t> order, core;
  EventIndex died_at = none;
  order.reserve(items.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (!items[i].call.result_known) continue;
    order.push_back(i);
    const std::uint32_t id = index.add(items[i].call.output);
    if (id == holders.size()) {
      holders.push_back(i);
    } else {
      const EventIndex both = std::max(items[holders[id]].completed, items[i].completed);
      if (both < died_at) {
        died_at = both;
        core = {holders[id], i};
      }
      if (items[i].completed < items[holders[id]].completed) holders[id] = i;
    }
    if (!pulse.beat()) return pulse.result(engine);
  }
  SearchResult result = pulse.result(engine);
  result.kind = core.empty() ? VerdictKind::valid : VerdictKind::invalid;
  result.died_at = died_at;
  if (core.empty()) result.order = std::move(order);
  result.core = std::move(core);
  return result;
}

}  // namespace faultline
