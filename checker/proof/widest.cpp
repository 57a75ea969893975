#include "widest.hpp"

#include <algorithm>
#include <map>

namespace faultline {

namespace {

struct Writer {
  std::uint32_t item = none;
  bool only = true;
};

// Who stores each value; a cas stores its second.
std::map<Value, Writer> writers_of(const Items& items) {
  std::map<Value, Writer> writers;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Call& call = items[i].call;
    const bool stores = call.f == "write" || (call.f == "cas" && !call.failed && call.input.is_pair());
    if (!stores) continue;
    Writer& writer = writers[call.f == "cas" ? call.input.as_list()[1] : call.input];
    writer.only = writer.item == none;
    writer.item = i;
  }
  return writers;
}

}  // namespace

std::vector<std::uint32_t> widest_stale_read(const History& history, const Items& items) {
  // For each write, in order of invocation, the one at or behind it that returned first.
  std::vector<std::uint32_t> writes;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (items[i].call.f == "write" && items[i].completed != none) writes.push_back(i);
  }
  std::vector<std::uint32_t> first_over = writes;
  for (std::size_t k = writes.size(); k-- > 1;) {
    if (items[first_over[k]].completed < items[first_over[k - 1]].completed) first_over[k - 1] = first_over[k];
  }
  const auto writers = writers_of(items);
  const auto at = [&](EventIndex event) {
    return history.has_times() ? history.time(event).time_since_epoch().count() : std::int64_t{event};
  };
  std::vector<std::uint32_t> widest;
  std::int64_t widest_gap = -1;
  for (std::uint32_t r = 0; r < items.size(); ++r) {
    const Item& read = items[r];
    if (read.call.f != "read" || !read.call.result_known) continue;
    const auto writer = writers.find(read.call.output);
    if (writer == writers.end() || !writer->second.only) continue;
    const Item& write = items[writer->second.item];
    if (write.call.f != "write" || write.completed == none) continue;
    const auto next = std::partition_point(writes.begin(), writes.end(),
                                           [&](std::uint32_t w) { return items[w].invoked < write.completed; });
    if (next == writes.end()) continue;
    const std::uint32_t over = first_over[static_cast<std::size_t>(next - writes.begin())];
    if (items[over].completed > read.invoked) continue;
    const std::int64_t gap = at(read.invoked) - at(items[over].completed);
    if (gap <= widest_gap) continue;
    widest_gap = gap;
    widest = {writer->second.item, over, r};
  }
  return widest;
}

}  // namespace faultline
