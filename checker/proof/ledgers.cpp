#include "ledgers.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace faultline {

namespace {

// The largest of many numbers, of which ranges change at once: a segment tree.
class Peaks {
 public:
  explicit Peaks(std::size_t count) {
    while (width_ < count) width_ *= 2;
    peak_.resize(2 * width_);
    change_.resize(2 * width_);
  }
  // Of those in [0, end) or of those in [begin, count).
  void add_below(std::size_t end, int change) { add(1, 0, width_, 0, end, change); }
  void add_from(std::size_t begin, int change) { add(1, 0, width_, begin, width_, change); }
  [[nodiscard]] int peak_below(std::size_t end) const { return peak(1, 0, width_, end); }

 private:
  void add(std::size_t node, std::size_t low, std::size_t high, std::size_t begin, std::size_t end, int change) {
    if (end <= low || high <= begin) return;
    if (begin <= low && high <= end) {
      peak_[node] += change;
      change_[node] += change;
      return;
    }
    const std::size_t middle = (low + high) / 2;
    add(2 * node, low, middle, begin, end, change);
    add(2 * node + 1, middle, high, begin, end, change);
    peak_[node] = change_[node] + std::max(peak_[2 * node], peak_[2 * node + 1]);
  }
  [[nodiscard]] int peak(std::size_t node, std::size_t low, std::size_t high, std::size_t end) const {
    if (end >= high) return peak_[node];
    const std::size_t middle = (low + high) / 2;
    int most = peak(2 * node, low, middle, end);
    if (end > middle) most = std::max(most, peak(2 * node + 1, middle, high, end));
    return change_[node] + most;
  }

  std::size_t width_ = 1;
  std::vector<int> peak_, change_;
};

// An invocation or return, at its place among all.
struct Moment {
  std::uint32_t item;
  bool returns;
};

// Whether in some window more of the one kind had to happen than the other kind allows. `ahead`: one may come first at the beginning, too.
bool exceeds(const Items& items, const std::vector<Moment>& moments, std::string_view one, bool ahead) {
  Peaks excess(moments.size());  // by where the window begins; it ends now
  if (!ahead) excess.add_below(1, 1);
  std::vector<std::size_t> begun(items.size());
  for (std::size_t now = 0; now < moments.size(); ++now) {
    const auto& [item, returns] = moments[now];
    const bool is_one = items[item].call.f == one;
    if (!returns) {
      begun[item] = now;
      if (!is_one) excess.add_below(moments.size(), -1);
    } else if (!is_one) {
      excess.add_from(now + 1, 1);
    } else {
      excess.add_below(begun[item] + 1, 1);
      if (excess.peak_below(now + 1) > 1) return true;
    }
  }
  return false;
}

}  // namespace

bool mutex_is_overdrawn(const Items& items, bool held) {
  std::vector<std::pair<EventIndex, Moment>> events;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (items[i].call.f != "acquire" && items[i].call.f != "release") continue;
    events.push_back({items[i].invoked, {i, false}});
    if (items[i].completed != none) events.push_back({items[i].completed, {i, true}});
  }
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Moment> moments;
  for (const auto& event : events) moments.push_back(event.second);
  return exceeds(items, moments, "acquire", !held) || exceeds(items, moments, "release", held);
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
