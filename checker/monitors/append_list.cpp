// Lists that grow by appending, every value appended once.
//
// Nothing is ever removed, so all that reads return are beginnings of one list: of the longest read. That read also fixes the order of
// the values it shows; those that no read shows come after all reads (open ones never happened). What is left is when each append took
// effect. Let the values in the order of the list be e_1 .. e_K. A read of k values lies between the appends of e_k and e_k+1. Walk along
// the list and give each append the earliest gap it can have: not before its invocation, not before the append in front of it, not before
// any read that is shorter. These rules are all of the form "not before", so this is their least solution: an append that misses its own
// return there, or the return of a read that shows it, misses it in every order. Otherwise each read goes behind the append of its last
// value or at its own invocation, whichever is later, and that is before the next append.
//
// A contradiction is a pair: x was invoked after y had returned, yet x comes before y in the list; with the read that says so.
#include <algorithm>

#include "pulse.hpp"
#include "ranks.hpp"
#include "tallies.hpp"
#include "value_index.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t bytes_per_item = 96;

std::span<const Value> list_of(const Value& value) {
  return value.is_null() ? std::span<const Value>() : value.as_list();
}

class AppendListMonitor {
 public:
  AppendListMonitor(const Items& items, const Budget& budget)
      : items_(items), pulse_(budget, items.size() * bytes_per_item), index_(items.size()) {}

  std::optional<SearchResult> run() {
    if (!pulse_.poll()) return finish();
    if (!collect()) return std::nullopt;
    if (!compare_reads() || !find_appends() || !pulse_.poll()) return finish();
    ranks_ = Ranks::of(items_);
    place();
    return finish();
  }

 private:
  // False: a value is appended twice.
  bool collect() {
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Call& call = items_[i].call;
      if (call.f == "read") {
        reads_.push_back(i);
        if (longest_ == none || list(i).size() > list(longest_).size()) longest_ = i;
      } else {
        if (index_.add(call.input) != appends_.size()) return false;
        appends_.push_back(i);
      }
    }
    return true;
  }

  [[nodiscard]] std::span<const Value> list(std::uint32_t read) const { return list_of(items_[read].call.output); }

  // All reads are beginnings of the longest; linear in what they return.
  bool compare_reads() {
    for (const std::uint32_t read : reads_) {
      const auto shorter = list(read), longer = list(longest_);
      for (std::size_t at = 0; at < shorter.size(); ++at) {
        if (shorter[at] == longer[at]) continue;
        die({read, longest_});
        return false;
      }
      if (!pulse_.beat(shorter.size() + 1)) return false;
    }
    return true;
  }

  // The appends of the longest read's values.
  bool find_appends() {
    std::vector<bool> shown(appends_.size(), false);
    for (const Value& value : longest_ == none ? std::span<const Value>() : list(longest_)) {
      const std::uint32_t number = index_.find(value);
      if (number == none || shown[number]) {  // never appended, or shown more often than appended
        die({longest_});
        return false;
      }
      shown[number] = true;
      sequence_.push_back(appends_[number]);
    }
    for (std::uint32_t number = 0; number < appends_.size(); ++number) {
      const bool completed = items_[appends_[number]].completed != none;
      if (!shown[number] && completed) unread_.push_back(appends_[number]);
    }
    return true;
  }

  // Whoever moves the present gap forward, so that what comes behind it cannot be earlier.
  void not_before(std::uint32_t item) {
    if (ranks_.invoked[item] < gap_ || (latest_ != none && ranks_.invoked[item] == gap_)) return;
    gap_ = ranks_.invoked[item];
    latest_ = item;
  }

  // False if the present gap is too late for the item: `latest_` comes before it, but was invoked after it had returned.
  bool in_time(std::uint32_t item) {
    if (ranks_.completed[item] > gap_) return true;
    std::vector<std::uint32_t> core{latest_, item, longest_};
    std::erase_if(core, [&](std::uint32_t i) { return i == none || items_[i].completed == none; });
    std::sort(core.begin(), core.end());
    core.erase(std::unique(core.begin(), core.end()), core.end());
    die(std::move(core));
    return false;
  }

  void place() {
    std::stable_sort(reads_.begin(), reads_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return list(a).size() < list(b).size(); });
    Layout layout(items_.size());
    std::size_t next = 0;
    for (std::size_t length = 0; length <= sequence_.size(); ++length) {
      if (length > 0) {
        const std::uint32_t append = sequence_[length - 1];
        not_before(append);
        if (!in_time(append)) return;
        layout.put(append, gap_);
      }
      const std::size_t first = next;
      for (; next < reads_.size() && list(reads_[next]).size() == length; ++next) {
        if (!in_time(reads_[next])) return;
        layout.put(reads_[next], std::max(gap_, ranks_.invoked[reads_[next]]));
      }
      for (std::size_t i = first; i < next; ++i) not_before(reads_[i]);
      if (!pulse_.beat()) return;
    }
    const Rank behind = gap_;
    for (const std::uint32_t append : unread_) {
      if (longest_ == none) {
        layout.put(append, ranks_.invoked[append]);
        continue;
      }
      if (!in_time(append)) return;
      layout.put(append, std::max(behind, ranks_.invoked[append]));
    }
    if (layout.fits(ranks_)) order_ = layout.order(ranks_.count);
  }

  void die(std::vector<std::uint32_t> core) {
    core_ = std::move(core);
    died_at_ = 0;
    for (const std::uint32_t i : core_) died_at_ = std::max(died_at_, items_[i].completed);
  }

  std::optional<SearchResult> finish() {
    SearchResult result = pulse_.result("append-list");
    if (pulse_.spent()) return result;
    if (!core_.empty()) {
      result.kind = VerdictKind::invalid;
      result.died_at = died_at_;
      result.core = std::move(core_);
      return result;
    }
    if (!order_) return std::nullopt;
    result.kind = VerdictKind::valid;
    result.order = std::move(*order_);
    return result;
  }

  const Items& items_;
  Pulse pulse_;
  ValueIndex index_;  // of appended values
  Ranks ranks_;
  std::vector<std::uint32_t> appends_;  // by number of the value
  std::vector<std::uint32_t> reads_;    // after place(): by length, then invocation
  std::uint32_t longest_ = none;
  std::vector<std::uint32_t> sequence_;  // appends of what the longest read shows, in its order
  std::vector<std::uint32_t> unread_;    // completed appends of what no read shows
  Rank gap_ = 0;
  std::uint32_t latest_ = none;
  std::optional<std::vector<std::uint32_t>> order_;
  std::vector<std::uint32_t> core_;
  EventIndex died_at_ = none;
};

}  // namespace

std::optional<SearchResult> monitor_append_list(const Items& items, const Budget& budget) {
  return AppendListMonitor(items, budget).run();
}

}  // namespace faultline
