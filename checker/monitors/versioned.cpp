// Registers whose results carry versions (etcd's mod_revision): the system itself states the order.
//
// Operations are sorted by version, the one that made it before those that read it, the latter by invocation. The order is then tried like
// any other: each version is made by one operation, what is read is what was stored, a cas found the value it expected, and every
// operation returned after the latest invocation before it (running maximum). If all holds this is a legal order, wherever the versions
// came from; so `valid` rests on no trust. If not, nothing is proved: another order may be legal.
//
// A result without a version that shows the initial value comes before all others. A version that is read but made by nobody belongs to
// an operation that never returned and stores what was read, or what a cas expected; of several that store the same, those invoked first are taken first. A cas
// that failed goes to a moment at which the value is not the one it expected.
#include <algorithm>
#include <unordered_map>

#include "pulse.hpp"
#include "ranks.hpp"
#include "tallies.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t bytes_per_item = 96;

// All operations on one version, as a range of the sorted ones.
struct Group {
  std::uint32_t maker = none;  // item; none for the initial value
  std::uint32_t first = 0, last = 0;
  Rank begin = 0;  // the gap in which the value is stored
  const Value* value = nullptr;
};

const Value& stored(const Call& call) { return call.f == "cas" ? call.input.as_list()[1] : call.input; }
const Value& expected(const Call& call) { return call.input.as_list()[0]; }

class VersionedMonitor {
 public:
  VersionedMonitor(const Items& items, const Value& initial, const Budget& budget)
      : items_(items), initial_(initial), pulse_(budget, items.size() * bytes_per_item) {}

  std::optional<SearchResult> run() {
    if (!carries_versions()) return std::nullopt;
    if (!pulse_.poll()) return finish();
    if (!collect() || !group()) return std::nullopt;
    if (!pulse_.poll()) return finish();
    ranks_ = Ranks::of(items_);
    if (!place()) return pulse_.spent() ? finish() : std::nullopt;
    return finish();
  }

 private:
  static bool stores(const Call& call) { return call.f == "write" || (call.f == "cas" && !call.failed); }

  // Most histories do not: seen without a look at all of them.
  [[nodiscard]] bool carries_versions() const {
    const auto first = std::find_if(items_.begin(), items_.end(),
                                    [](const Item& item) { return item.completed != none && stores(item.call); });
    return first != items_.end() && first->version != unversioned;
  }

  // False: something that is not a failed cas has no version and does not show the initial value.
  bool collect() {
    sorted_.reserve(items_.size());
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      if (item.completed == none) {
        open_.push_back(i);
      } else if (item.call.failed) {
        failed_.push_back(i);
      } else if (item.version != unversioned) {
        sorted_.push_back({item.version, i});
      } else if (item.call.f == "read" && item.call.output == initial_) {
        unversioned_.push_back(i);
      } else {
        return false;
      }
    }
    sort();
    return true;
  }

  struct Versioned {
    std::int64_t version;
    std::uint32_t item;
  };

  // By version, then makers first, then invocation: by counting where the versions are dense, as they mostly are.
  void sort() {
    if (sorted_.empty()) return;
    const auto [least, most] = std::minmax_element(
        sorted_.begin(), sorted_.end(), [](const Versioned& a, const Versioned& b) { return a.version < b.version; });
    const std::int64_t base = least->version;
    const auto span = static_cast<std::uint64_t>(most->version) - static_cast<std::uint64_t>(base);
    if (span > sorted_.size() * 8) {
      std::sort(sorted_.begin(), sorted_.end(), [&](const Versioned& a, const Versioned& b) {
        const bool a_reads = !stores(items_[a.item].call), b_reads = !stores(items_[b.item].call);
        return std::tie(a.version, a_reads, a.item) < std::tie(b.version, b_reads, b.item);
      });
      return;
    }
    const auto bucket = [&](const Versioned& v) {
      const auto offset = static_cast<std::uint64_t>(v.version) - static_cast<std::uint64_t>(base);
      return offset * 2 + (stores(items_[v.item].call) ? 0 : 1);
    };
    std::vector<std::uint32_t> begin(span * 2 + 3, 0);
    for (const Versioned& v : sorted_) ++begin[bucket(v) + 1];
    for (std::size_t b = 1; b < begin.size(); ++b) begin[b] += begin[b - 1];
    std::vector<Versioned> result(sorted_.size());
    for (const Versioned& v : sorted_) result[begin[bucket(v)]++] = v;
    sorted_ = std::move(result);
  }

  // One group per version, with its maker. False: a version made twice or by nobody, or values that do not agree.
  bool group() {
    groups_.push_back({.value = &initial_});
    for (std::uint32_t at = 0; at < sorted_.size();) {
      Group group{.first = at};
      const std::int64_t version = sorted_[at].version;
      if (stores(items_[sorted_[at].item].call)) {
        group.maker = sorted_[at].item;
        ++group.first;
      } else {
        group.maker = take_open(items_[sorted_[at].item].call.output);
      }
      const bool is_initial = group.maker == none && groups_.size() == 1;
      if (group.maker == none && !is_initial) return false;
      group.value = is_initial ? &initial_ : &stored(items_[group.maker].call);
      for (at = group.first; at < sorted_.size() && sorted_[at].version == version; ++at) {
        const Call& call = items_[sorted_[at].item].call;
        if (stores(call) || call.output != *group.value) return false;
      }
      group.last = at;
      if (!is_initial && !chain(group.maker)) return false;
      groups_.push_back(group);
    }
    return true;
  }

  // A cas finds the value it expected; if the present one is another, an operation that never returned and that nobody read stored it.
  bool chain(std::uint32_t maker) {
    if (items_[maker].call.f != "cas" || expected(items_[maker].call) == *groups_.back().value) return true;
    const std::uint32_t between = take_open(expected(items_[maker].call));
    if (between == none) return false;
    const Call& call = items_[between].call;
    if (call.f == "cas" && expected(call) != *groups_.back().value) return false;
    groups_.push_back({.maker = between, .value = &stored(call)});
    return true;
  }

  // The first unused operation that never returned and stores this value; none if there is none.
  std::uint32_t take_open(const Value& value) {
    if (by_value_.empty()) {
      for (auto i = open_.rbegin(); i != open_.rend(); ++i) {
        if (stores(items_[*i].call)) by_value_[stored(items_[*i].call)].push_back(*i);
      }
    }
    const auto found = by_value_.find(value);
    if (found == by_value_.end() || found->second.empty()) return none;
    const std::uint32_t item = found->second.back();
    found->second.pop_back();
    return item;
  }

  // Gives every operation its gap; false if one does not fit.
  bool place() {
    find_begins();
    if (!failed_.empty() && !place_failed()) return false;
    find_begins();
    Layout layout(items_.size());
    for (const Group& group : groups_) {
      for_each_of(group, [&](std::uint32_t item) { layout.put(item, std::max(group.begin, ranks_.invoked[item])); });
      if (!pulse_.beat(group.last - group.first + 1)) return false;
    }
    if (!layout.fits(ranks_)) return false;
    order_ = layout.order(ranks_.count);
    return true;
  }

  // The maker first, then whatever found its value.
  template <class Visit>
  void for_each_of(const Group& group, Visit visit) const {
    if (group.maker != none) visit(group.maker);
    if (&group == groups_.data()) std::for_each(unversioned_.begin(), unversioned_.end(), visit);
    for (std::uint32_t at = group.first; at < group.last; ++at) visit(sorted_[at].item);
    const auto number = static_cast<std::uint32_t>(&group - groups_.data());
    const auto failed = std::lower_bound(failed_at_.begin(), failed_at_.end(), std::pair(number, 0U));
    for (auto f = failed; f != failed_at_.end() && f->first == number; ++f) visit(f->second);
  }

  // No group begins before what comes in front of it was invoked.
  void find_begins() {
    Rank now = 0;
    for (Group& group : groups_) {
      if (group.maker != none) now = std::max(now, ranks_.invoked[group.maker]);
      group.begin = now;
      for_each_of(group, [&](std::uint32_t item) { now = std::max(now, ranks_.invoked[item]); });
    }
  }

  // When each group must have begun, at the latest.
  [[nodiscard]] std::vector<Rank> find_latest() const {
    std::vector<Rank> latest(groups_.size() + 1, never_returns);
    for (std::size_t g = groups_.size(); g-- > 0;) {
      latest[g] = latest[g + 1];
      for_each_of(groups_[g], [&](std::uint32_t item) { latest[g] = std::min(latest[g], ranks_.completed[item] - 1); });
    }
    return latest;
  }

  // For each failed cas a group with another value than it expected: the one that has begun when it is invoked, or one that begins before
  // it returns; or else one before that can last so long. The last makes later groups begin later, so what was found is looked at again.
  bool place_failed() {
    constexpr int most_rounds = 16;
    const std::vector<Rank> latest = find_latest();
    using Chosen = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
    Chosen held_back;
    std::vector<std::uint32_t> unsettled = failed_;
    for (int round = 0; round < most_rounds; ++round) {
      Chosen chosen = held_back;
      const std::size_t before = held_back.size();
      for (std::uint32_t& item : unsettled) {
        std::uint32_t group = group_for(item);
        if (group == none) {
          group = earlier_group_for(item, latest);
          if (group == none) return false;
          held_back.emplace_back(group, item);
          item = none;
        } else {
          chosen.emplace_back(group, item);
        }
        if (!pulse_.beat()) return false;
      }
      std::erase(unsettled, none);
      const bool settled = held_back.size() == before;
      failed_at_ = settled ? std::move(chosen) : held_back;
      std::sort(failed_at_.begin(), failed_at_.end());
      if (settled) return true;
      find_begins();
    }
    return false;
  }

  [[nodiscard]] bool differs(std::size_t group, std::uint32_t item) const {
    return *groups_[group].value != expected(items_[item].call);
  }
  // The group that has begun when the item is invoked.
  [[nodiscard]] std::size_t present_group(std::uint32_t item) const {
    const auto behind = std::upper_bound(groups_.begin(), groups_.end(), ranks_.invoked[item],
                                         [](Rank gap, const Group& g) { return gap < g.begin; });
    return static_cast<std::size_t>(behind - groups_.begin()) - 1;  // the first begins in gap 0
  }
  [[nodiscard]] std::uint32_t group_for(std::uint32_t item) const {
    std::size_t g = present_group(item);
    while (g < groups_.size() && groups_[g].begin < ranks_.completed[item] && !differs(g, item)) ++g;
    const bool found = g < groups_.size() && groups_[g].begin < ranks_.completed[item];
    return found ? static_cast<std::uint32_t>(g) : none;
  }
  [[nodiscard]] std::uint32_t earlier_group_for(std::uint32_t item, const std::vector<Rank>& latest) const {
    std::size_t g = present_group(item);
    while (g > 0 && latest[g] >= ranks_.invoked[item] && !differs(g, item)) --g;
    return differs(g, item) ? static_cast<std::uint32_t>(g) : none;
  }

  std::optional<SearchResult> finish() {
    SearchResult result = pulse_.result("versioned");
    if (pulse_.spent()) return result;
    result.kind = VerdictKind::valid;
    result.order = std::move(order_);
    return result;
  }

  const Items& items_;
  const Value& initial_;
  Pulse pulse_;
  Ranks ranks_;
  std::vector<Versioned> sorted_;
  std::vector<std::uint32_t> open_, failed_, unversioned_;
  std::unordered_map<Value, std::vector<std::uint32_t>> by_value_;  // open operations, those invoked first last
  std::vector<Group> groups_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> failed_at_;  // group and failed cas
  std::vector<std::uint32_t> order_;
};

}  // namespace

std::optional<SearchResult> monitor_versioned(const Items& items, const Value& initial, const Budget& budget) {
  return VersionedMonitor(items, initial, budget).run();
}

}  // namespace faultline
