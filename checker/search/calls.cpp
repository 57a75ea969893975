#include "calls.hpp"

#include "pace.hpp"

#include <faultline/rng.hpp>

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>
#include <vector>

namespace faultline::search {

namespace {

std::uint64_t hash_of(const Call& call) {
  std::uint64_t h = std::hash<std::string_view>{}(call.f);
  h = mix64(h * 0x9e3779b97f4a7c15ULL + call.input.hash());
  h = mix64(h * 0x9e3779b97f4a7c15ULL + call.output.hash());
  return mix64(h + (call.result_known ? 1 : 0) + (call.failed ? 2 : 0));
}

bool same(const Call& a, const Call& b) {
  return a.f == b.f && a.result_known == b.result_known && a.failed == b.failed && a.input == b.input &&
         a.output == b.output;
}

}  // namespace

CallTable::CallTable(const Items& items, const Budget& budget) : items_(items), classes_(items.size()) {
  std::vector<CallClass> table(std::bit_ceil(items.size() * 2 + 2), none);
  Poll poll(budget);
  for (std::uint32_t i = 0; i < items.size() && !poll(); ++i) {
    std::size_t at = hash_of(items[i].call) & (table.size() - 1);
    while (table[at] != none && !same(call(table[at]), items[i].call)) at = (at + 1) & (table.size() - 1);
    if (table[at] == none) {
      table[at] = static_cast<CallClass>(firsts_.size());
      firsts_.push_back(i);
    }
    classes_[i] = table[at];
  }
}

std::size_t widest_window(const Items& items, const Budget& budget) {
  std::priority_queue<EventIndex, std::vector<EventIndex>, std::greater<>> pending;
  std::size_t widest = 0;
  Poll poll(budget);
  for (const Item& item : items) {
    if (item.completed == none) continue;
    while (!pending.empty() && pending.top() < item.invoked) pending.pop();
    pending.push(item.completed);
    widest = std::max(widest, pending.size());
    if (poll()) break;
  }
  return widest;
}

}  // namespace faultline::search
