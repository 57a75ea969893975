// Counters.
//
// One amount. Let every change be by the same amount, so that a read says how many changes came before it: its *level*. In an order, let
// t_j be the moment of the j-th change. A read of level k lies between t_k and t_k+1, which for its interval [i, r] means t_k <= r and
// i <= t_k+1; nothing else, as t_k <= t_k+1. So all that the reads ask is lo_j <= t_j <= hi_j, where
//     lo_j = the latest invocation of a read of level < j,     hi_j = the earliest return of a read of level >= j,
// both growing with j. Beyond the highest level, hi is infinite. The question is which change goes into which *slot* j: one of its moments
// must lie in the slot's window; every change that completed needs a slot, every slot up to the highest level needs a change.
//   Order of slots. Any such choice can be put in order: if t_j > t_j+1, swapping both moments and changes keeps them in their windows,
//   because both bounds grow. Hence the moments need not grow while choosing.
//   Choice. Fill slots in order; of the changes that may go into slot j take the one that returns first, open ones last. All of them are
//   invoked before hi_j and so before every later hi: for later slots only their returns count, so the one taken is the least useful
//   (exchange). A change that returned before lo_j and has no slot yet fits no later one.
//   Contradiction. Let the change d returned before lo_j remain, and let s be the last slot before j filled with one that returned after
//   d. When s was filled, none that returns by d was at hand: those of the slots s+1 .. j-1, and d, were all invoked after hi_s. So
//   j - s changes happened after a read of level >= s returned and before one of level < j was invoked.
//
// Several amounts. Only bounds: a read shows at least what has been added for certain, less what may have been taken away, and at most the
// converse; and where nothing is taken away, a read that follows another shows no less. What passes is left to the general search.
#include <algorithm>
#include <cstdlib>
#include <queue>

#include "pulse.hpp"
#include "ranks.hpp"
#include "tallies.hpp"

namespace faultline {

namespace {

// Amounts up to here add up within 64 bits, however many there are.
constexpr std::int64_t largest_amount = INT32_MAX;
constexpr std::uint64_t bytes_per_item = 96;

struct Change {
  std::uint32_t item;
  std::int64_t amount;
};

struct Reading {
  std::uint32_t item;
  std::int64_t shows;  // beyond the initial value
};

class CounterMonitor {
 public:
  CounterMonitor(const Items& items, std::int64_t initial, const Budget& budget)
      : items_(items), initial_(initial), pulse_(budget, items.size() * bytes_per_item) {}

  std::optional<SearchResult> run() {
    if (!pulse_.poll()) return finish();
    if (!collect()) return std::nullopt;
    ranks_ = Ranks::of(items_);
    if (!pulse_.poll()) return finish();
    const bool one_amount = std::all_of(changes_.begin(), changes_.end(),
                                        [&](const Change& c) { return c.amount == changes_.front().amount; });
    if (!one_amount) {
      check_ranges();
      if (core_.empty() && never_falls()) check_growth();
    } else if (find_levels()) {
      fill_slots();
      if (core_.empty() && pulse_.poll()) lay_out();
    }
    return finish();
  }

 private:
  // False: the sums might wrap around.
  bool collect() {
    if (initial_ > largest_amount || initial_ < -largest_amount) return false;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Call& call = items_[i].call;
      if (call.f == "read") {
        const std::int64_t shows = call.output.as_integer();
        // Whatever is so large that subtracting might wrap around is out of all reach as it is.
        const bool far = shows > INT64_MAX / 2 || shows < INT64_MIN / 2;
        readings_.push_back({i, far ? shows : shows - initial_});
        continue;
      }
      const std::int64_t n = call.input.is_null() ? 1 : call.input.as_integer();
      if (n > largest_amount || n < -largest_amount) return false;
      if (n == 0) {
        idle_.push_back(i);
      } else {
        changes_.push_back({i, call.f == "dec" ? -n : n});
      }
    }
    return true;
  }

  void die(std::vector<std::uint32_t> core) {
    core_ = std::move(core);
    died_at_ = 0;
    for (const std::uint32_t i : core_) died_at_ = std::max(died_at_, items_[i].completed);
  }

  // --- one amount ------------------------------------------------------------------------------------------

  // What the reads say as numbers of changes; false if one shows what no number of changes makes.
  bool find_levels() {
    const std::int64_t amount = changes_.empty() ? 1 : changes_.front().amount;
    for (Reading& reading : readings_) {
      const std::int64_t level = reading.shows / amount;
      if (reading.shows % amount != 0 || level < 0 || level > static_cast<std::int64_t>(changes_.size())) {
        die({reading.item});
        return false;
      }
      reading.shows = level;
    }
    std::stable_sort(readings_.begin(), readings_.end(),
                     [](const Reading& a, const Reading& b) { return a.shows < b.shows; });
    highest_ = readings_.empty() ? 0 : static_cast<std::size_t>(readings_.back().shows);
    // Which read bounds each slot: first within one level, then over all below or above.
    lo_.assign(highest_ + 2, none);
    hi_.assign(highest_ + 2, none);
    for (const Reading& reading : readings_) {
      std::uint32_t& lo = lo_[static_cast<std::size_t>(reading.shows) + 1];
      std::uint32_t& hi = hi_[static_cast<std::size_t>(reading.shows)];
      if (lo == none || ranks_.invoked[reading.item] > ranks_.invoked[lo]) lo = reading.item;
      if (hi == none || ranks_.completed[reading.item] < ranks_.completed[hi]) hi = reading.item;
    }
    for (std::size_t j = 1; j < lo_.size(); ++j) {
      if (lo_[j - 1] != none && (lo_[j] == none || earliest(j - 1) > earliest(j))) lo_[j] = lo_[j - 1];
    }
    for (std::size_t j = hi_.size() - 1; j-- > 0;) {
      if (hi_[j + 1] != none && (hi_[j] == none || latest(j + 1) < latest(j))) hi_[j] = hi_[j + 1];
    }
    return pulse_.poll();
  }

  // The window of a slot, in gaps.
  [[nodiscard]] Rank earliest(std::size_t slot) const { return lo_[slot] == none ? 0 : ranks_.invoked[lo_[slot]]; }
  [[nodiscard]] Rank latest(std::size_t slot) const {
    return hi_[slot] == none ? never_returns - 1 : ranks_.completed[hi_[slot]] - 1;
  }
  // The last gap of a change; open ones have none.
  [[nodiscard]] Rank deadline(std::uint32_t change) const { return ranks_.completed[changes_[change].item] - 1; }

  void fill_slots() {
    std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> at_hand;  // deadline, then change
    std::uint32_t next = 0;
    std::vector<std::uint32_t> slots{none};  // slot 0 does not exist
    moments_.reserve(changes_.size());
    for (std::size_t j = 1; j <= highest_ + 1; ++j) {
      for (; next < changes_.size() && ranks_.invoked[changes_[next].item] <= latest(j); ++next) {
        at_hand.push(std::uint64_t{deadline(next)} << 32 | next);
      }
      if (at_hand.empty() && j <= highest_) return die({hi_[j]});  // more changes seen than there were
      if (j <= highest_ && latest(j) < earliest(j)) return die({hi_[j], lo_[j]});
      if (at_hand.empty()) break;
      const auto change = static_cast<std::uint32_t>(at_hand.top());
      if (deadline(change) < earliest(j)) return die_of_overflow(slots, change);
      if (j > highest_) break;
      at_hand.pop();
      slots.push_back(change);
      put(change, j);
      if (!pulse_.beat()) return;
    }
    // The others come after all reads, the open ones never.
    for (; !at_hand.empty(); at_hand.pop()) {
      const auto change = static_cast<std::uint32_t>(at_hand.top());
      if (items_[changes_[change].item].completed != none) put(change, highest_ + 1);
    }
  }

  void put(std::uint32_t change, std::size_t slot) {
    const std::uint32_t item = changes_[change].item;
    moments_.push_back(std::uint64_t{std::max(earliest(slot), ranks_.invoked[item])} << 32 | item);
  }

  // See "Contradiction" above; `change` has no slot left among those filled.
  void die_of_overflow(const std::vector<std::uint32_t>& slots, std::uint32_t change) {
    std::vector<std::uint32_t> core{changes_[change].item, lo_[slots.size()]};
    std::size_t s = slots.size() - 1;
    for (; s > 0 && deadline(slots[s]) <= deadline(change); --s) core.push_back(changes_[slots[s]].item);
    if (s > 0) core.push_back(hi_[s]);
    die(std::move(core));
  }

  void lay_out() {
    std::sort(moments_.begin(), moments_.end());
    Layout layout(items_.size());
    std::size_t level = 0;
    Rank gap = 0;
    const auto change_level = [&] {
      gap = static_cast<Rank>(moments_[level++] >> 32);
      layout.put(static_cast<std::uint32_t>(moments_[level - 1]), gap);
    };
    for (const Reading& reading : readings_) {
      while (level < static_cast<std::size_t>(reading.shows)) change_level();
      layout.put(reading.item, std::max(gap, ranks_.invoked[reading.item]));
    }
    while (level < moments_.size()) change_level();
    for (const std::uint32_t item : idle_) layout.put(item, ranks_.invoked[item]);
    if (layout.fits(ranks_)) order_ = layout.order(ranks_.count);
  }

  // --- several amounts -------------------------------------------------------------------------------------

  // Sums by rank: of what was added and taken away by the changes that were invoked, or had completed, before it.
  struct Sums {
    std::vector<std::int64_t> added, taken;
    explicit Sums(Rank count) : added(count + 1, 0), taken(count + 1, 0) {}
    void note(Rank at, std::int64_t amount) { (amount > 0 ? added : taken)[at + 1] += amount; }
    void add_up() {
      for (std::size_t at = 1; at < added.size(); ++at) {
        added[at] += added[at - 1];
        taken[at] += taken[at - 1];
      }
    }
  };

  void check_ranges() {
    Sums begun(ranks_.count), done(ranks_.count);
    for (const Change& change : changes_) {
      begun.note(ranks_.invoked[change.item], change.amount);
      if (items_[change.item].completed != none) done.note(ranks_.completed[change.item], change.amount);
    }
    begun.add_up();
    done.add_up();
    for (const Reading& reading : readings_) {
      const Rank from = ranks_.invoked[reading.item], to = ranks_.completed[reading.item];
      if (reading.shows < done.added[from] + begun.taken[to]) {
        return die_out_of_range(reading, reading.shows - begun.taken[to], 1);
      }
      if (reading.shows > begun.added[to] + done.taken[from]) {
        return die_out_of_range(reading, begun.added[to] - reading.shows, -1);
      }
      if (!pulse_.beat()) return;
    }
  }

  // The read, and as many of the certain changes in one direction as make up more than `room`, the largest and the latest ones.
  void die_out_of_range(const Reading& reading, std::int64_t room, std::int64_t direction) {
    std::vector<Change> certain;
    for (const Change& change : changes_) {
      const bool before = ranks_.completed[change.item] < ranks_.invoked[reading.item];
      if (before && change.amount * direction > 0) certain.push_back(change);
    }
    std::stable_sort(certain.begin(), certain.end(), [](const Change& a, const Change& b) {
      return std::abs(a.amount) != std::abs(b.amount) ? std::abs(a.amount) > std::abs(b.amount) : a.item > b.item;
    });
    std::vector<std::uint32_t> core{reading.item};
    for (std::size_t i = 0; i < certain.size() && room >= 0; ++i) {
      room -= std::abs(certain[i].amount);
      core.push_back(certain[i].item);
    }
    die(std::move(core));
  }

  [[nodiscard]] bool never_falls() const {
    return std::all_of(changes_.begin(), changes_.end(), [](const Change& change) { return change.amount > 0; });
  }

  // No read shows less than one that returned before it was invoked.
  void check_growth() {
    std::vector<const Reading*> by_return;
    for (const Reading& reading : readings_) by_return.push_back(&reading);
    std::sort(by_return.begin(), by_return.end(), [&](const Reading* a, const Reading* b) {
      return ranks_.completed[a->item] < ranks_.completed[b->item];
    });
    std::size_t returned = 0;
    const Reading* highest = nullptr;
    for (const Reading& reading : readings_) {  // by invocation
      for (; ranks_.completed[by_return[returned]->item] < ranks_.invoked[reading.item]; ++returned) {
        if (highest == nullptr || by_return[returned]->shows > highest->shows) highest = by_return[returned];
      }
      if (highest != nullptr && reading.shows < highest->shows) return die({highest->item, reading.item});
    }
  }

  std::optional<SearchResult> finish() {
    SearchResult result = pulse_.result("counter");
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
  const std::int64_t initial_;
  Pulse pulse_;
  Ranks ranks_;
  std::vector<Change> changes_;         // by invocation
  std::vector<Reading> readings_;       // by invocation; after find_levels() by level, then invocation
  std::vector<std::uint32_t> idle_;     // changes by nothing
  std::size_t highest_ = 0;             // level
  std::vector<std::uint32_t> lo_, hi_;  // by slot: the read that bounds it, or none
  std::vector<std::uint64_t> moments_;  // gap, then item: of the changes that happen
  std::optional<std::vector<std::uint32_t>> order_;
  std::vector<std::uint32_t> core_;
  EventIndex died_at_ = none;
};

}  // namespace

std::optional<SearchResult> monitor_counter(const Items& items, std::int64_t initial, const Budget& budget) {
  return CounterMonitor(items, initial, budget).run();
}

}  // namespace faultline
