#include "ledgers.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace faultline {

bool mutex_is_overdrawn(const Items& items, bool held) {
  struct Moment {
    EventIndex event;
    bool returns;
    bool acquires;
  };
  std::vector<Moment> moments;
  for (const Item& item : items) {
    const bool acquires = item.call.f == "acquire";
    if (!acquires && item.call.f != "release") continue;
    moments.push_back({item.invoked, false, acquires});
    if (item.completed != none) moments.push_back({item.completed, true, acquires});
  }
  std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) { return a.event < b.event; });
  std::int64_t acquired = held ? 1 : 0, may_have_acquired = acquired, released = 0, may_have_released = 0;
  for (const Moment& moment : moments) {
    std::int64_t& count = moment.acquires ? (moment.returns ? acquired : may_have_acquired)
                                          : (moment.returns ? released : may_have_released);
    ++count;
    if (acquired > may_have_released + 1 || released > may_have_acquired) return true;
  }
  return false;
}

bool tokens_are_overdrawn(const Items& items) {
  std::vector<EventIndex> releases;
  std::vector<std::pair<std::int64_t, EventIndex>> acquisitions;  // token, return
  for (const Item& item : items) {
    if (item.call.f == "release") releases.push_back(item.invoked);
    if (item.call.f == "acquire" && item.completed != none && item.call.result_known) {
      acquisitions.emplace_back(item.call.output.as_integer(), item.completed);
    }
  }
  std::sort(releases.begin(), releases.end());
  std::sort(acquisitions.begin(), acquisitions.end());
  std::ptrdiff_t smaller = 0;
  for (std::size_t i = 0; i < acquisitions.size(); ++i) {
    const auto& [token, returned] = acquisitions[i];
    if (i > 0 && acquisitions[i - 1].first != token) smaller = static_cast<std::ptrdiff_t>(i);
    if (smaller > std::lower_bound(releases.begin(), releases.end(), returned) - releases.begin()) return true;
  }
  return false;
}

namespace {

std::span<const Value> elements_of(const Value& value) {
  if (value.is_null()) return {};
  return value.is_tagged() ? value.tagged_value().as_list() : value.as_list();
}

struct Shown {
  const Item* read;
  std::set<Value> elements;
};

// What the set holds for certain before the read begins, and what it may hold when the read returns.
bool is_wrong(const Items& items, const std::set<Value>& initial, const Shown& shown) {
  std::set<Value> possible = initial;
  for (const Value& element : initial) {
    if (!shown.elements.contains(element)) return true;
  }
  for (const Item& item : items) {
    if (item.call.f != "add") continue;
    if (item.completed < shown.read->invoked && !shown.elements.contains(item.call.input)) return true;
    if (item.invoked < shown.read->completed) possible.insert(item.call.input);
  }
  return !std::includes(possible.begin(), possible.end(), shown.elements.begin(), shown.elements.end());
}

bool contradict(const Shown& a, const Shown& b) {
  const auto within = [](const Shown& less, const Shown& more) {
    return std::includes(more.elements.begin(), more.elements.end(), less.elements.begin(), less.elements.end());
  };
  if (a.read->completed < b.read->invoked) return !within(a, b);
  if (b.read->completed < a.read->invoked) return !within(b, a);
  return !within(a, b) && !within(b, a);
}

}  // namespace

bool set_is_contradicted(const Items& items, const Value& initial) {
  constexpr std::size_t most_reads = 32;  // pairs of these are looked at
  const auto start = elements_of(initial);
  const std::set<Value> first(start.begin(), start.end());
  std::vector<Shown> reads;
  for (const Item& item : items) {
    if (item.call.f != "read" || item.completed == none || !item.call.result_known) continue;
    if (reads.size() == most_reads) return false;
    const auto elements = elements_of(item.call.output);
    reads.push_back({&item, {elements.begin(), elements.end()}});
    if (reads.back().elements.size() != elements.size()) return true;
  }
  for (std::size_t i = 0; i < reads.size(); ++i) {
    if (is_wrong(items, first, reads[i])) return true;
    for (std::size_t j = 0; j < i; ++j) {
      if (contradict(reads[i], reads[j])) return true;
    }
  }
  return false;
}

}  // namespace faultline
