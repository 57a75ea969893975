// Priority queues with unique values: a dequeue returns the greatest, or nil if there is none.
//
// Decide the elements from the greatest down. A dequeue may take effect in a gap if nothing greater is inside; what is smaller does not
// matter to it. So, given the gaps in which greater elements are inside, let each element be dequeued in the first gap of its interval
// that is free of them, and be enqueued as late as possible: in the last gap before its enqueue returned, or, if it is dequeued by then,
// right before its dequeue. It is then inside from the end of its enqueue to that gap; never dequeued, for ever. If no gap of a dequeue
// is free the history is invalid. A dequeue that found nothing is one below all elements.
//   Necessary: in any legal order each element is inside at least where it is inside here. By induction from the greatest down: it is
//   there from the end of its enqueue on, and leaves in a gap that is free of greater ones in that order, hence free of them here; the
//   first such gap is not later. So a dequeue without a free gap here has none anywhere.
//   Sufficient: the gaps chosen are an order if within each gap come, one after the other: the dequeues of elements enqueued in earlier
//   gaps, the greatest first; elements that are enqueued and at once dequeued; dequeues that found nothing; enqueues of elements that stay.
//
// A gap, once taken, stays taken, so the first free one is found in a forest of sets (Tarjan, "Efficiency of a good but not linear set
// union algorithm", 1975). Sorting the values costs most: n log n.
#include <algorithm>
#include <numeric>

#include <faultline/states.hpp>

#include "elements.hpp"
#include "monitor.hpp"

namespace faultline {

namespace {

constexpr std::uint32_t polls_every = 1'000;

// Gaps taken by elements, and the first, that is the greatest, element in each.
class Occupancy {
 public:
  explicit Occupancy(Rank gaps) : next_(gaps + 1), owner_(gaps, none) { std::iota(next_.begin(), next_.end(), 0); }

  // The first free gap from here on; past the last gap if there is none.
  Rank free_from(Rank gap) {
    while (next_[gap] != gap) gap = next_[gap] = next_[next_[gap]];
    return gap;
  }
  void take(Rank from, Rank to, std::uint32_t element) {
    for (Rank gap = free_from(from); gap < to; gap = free_from(gap)) {
      owner_[gap] = element;
      next_[gap] = gap + 1;
    }
  }
  [[nodiscard]] std::uint32_t owner(Rank gap) const { return owner_[gap]; }

 private:
  std::vector<Rank> next_;  // itself: free
  std::vector<std::uint32_t> owner_;
};

class PriorityQueueMonitor {
 public:
  PriorityQueueMonitor(const Items& items, const Elements& all, const Ranks& ranks, const Budget& budget)
      : items_(items), all_(all), ranks_(ranks), budget_(budget), occupancy_(ranks.count) {}

  Finding run() {
    rank_elements();
    if (!place_dequeues()) return std::move(finding_);
    std::vector<std::pair<Rank, std::uint32_t>> empties;
    for (const std::uint32_t i : all_.empty_removals) {
      empties.emplace_back(occupancy_.free_from(ranks_.invoked[i]), i);
      if (empties.back().first < ranks_.completed[i]) continue;
      return contradiction(all_, in_the_way(ranks_.invoked[i], ranks_.completed[i]), i);
    }
    lay_out(empties);
    return std::move(finding_);
  }

 private:
  const Value& value(std::uint32_t e) const { return items_[all_.elements[e].insertion].call.input; }

  void rank_elements() {
    intervals_.reserve(all_.elements.size());
    for (const Element& element : all_.elements) intervals_.push_back(life_of(element, ranks_));
    descending_.resize(intervals_.size());
    std::iota(descending_.begin(), descending_.end(), 0);
    const bool integers =
        std::all_of(descending_.begin(), descending_.end(), [&](std::uint32_t e) { return value(e).is_integer(); });
    if (!integers) {
      std::sort(descending_.begin(), descending_.end(),
                [&](std::uint32_t a, std::uint32_t b) { return by_priority(value(a), value(b)) > 0; });
      return;
    }
    std::vector<std::pair<std::int64_t, std::uint32_t>> keyed;  // the same, several times faster
    keyed.reserve(descending_.size());
    for (const std::uint32_t e : descending_) keyed.emplace_back(value(e).as_integer(), e);
    std::sort(keyed.begin(), keyed.end(), std::greater<>());
    for (std::size_t i = 0; i < keyed.size(); ++i) descending_[i] = keyed[i].second;
  }

  // The first gap an element's dequeue may take effect in, if nothing is in its way.
  [[nodiscard]] Rank wished(std::uint32_t e) const {
    return std::max(intervals_[e].insert_first, intervals_[e].remove_first);
  }

  bool place_dequeues() {
    gaps_.resize(intervals_.size());
    std::uint32_t steps = 0;
    for (const std::uint32_t e : descending_) {
      const Life& life = intervals_[e];
      gaps_[e] = occupancy_.free_from(wished(e));
      if (all_.elements[e].removal == none) gaps_[e] = ranks_.count;
      if (gaps_[e] >= life.remove_end) {
        std::vector<std::uint32_t> others = in_the_way(wished(e), life.remove_end);
        others.push_back(e);
        finding_ = contradiction(all_, others);
        return false;
      }
      if (life.insert_end < gaps_[e]) occupancy_.take(life.insert_end, gaps_[e], e);
      if (++steps % polls_every == 0 && budget_.stop && budget_.stop()) {
        finding_.stopped = true;
        return false;
      }
    }
    return true;
  }

  // Elements that take all gaps of [from, to), with those that keep them there, and so on.
  [[nodiscard]] std::vector<std::uint32_t> in_the_way(Rank from, Rank to) const {
    std::vector<std::uint32_t> found;
    std::vector<Rank> explained(intervals_.size(),
                                0);  // by element: up to where it is known why it is there; 0: not found yet
    std::vector<std::pair<Rank, Rank>> taken{{from, to}};
    while (!taken.empty()) {
      auto [gap, end] = taken.back();
      taken.pop_back();
      while (gap < end) {
        const std::uint32_t e = occupancy_.owner(gap);
        FL_ASSERT(e != none);
        if (explained[e] == 0) {
          found.push_back(e);
          explained[e] = intervals_[e].remove_first < intervals_[e].insert_end ? intervals_[e].insert_end
                                                                               : intervals_[e].remove_first;
        }
        gap = std::min(gaps_[e], end);
        if (gap <= explained[e]) continue;
        taken.emplace_back(std::max(wished(e), explained[e]), gap);
        explained[e] = gap;
      }
    }
    return found;
  }

  void lay_out(std::vector<std::pair<Rank, std::uint32_t>>& empties) {
    Layout& layout = finding_.layout.emplace(items_.size());
    const auto stays = [&](std::uint32_t e) { return intervals_[e].insert_end <= gaps_[e]; };
    for (const std::uint32_t e : descending_) {
      if (stays(e) && all_.elements[e].removal != none) layout.put(all_.elements[e].removal, gaps_[e]);
    }
    for (const std::uint32_t e : descending_) {
      if (stays(e)) continue;
      layout.put(all_.elements[e].insertion, gaps_[e]);
      layout.put(all_.elements[e].removal, gaps_[e]);
    }
    for (const auto& [gap, item] : empties) layout.put(item, gap);
    for (const std::uint32_t e : descending_) {
      if (stays(e)) layout.put(all_.elements[e].insertion, intervals_[e].insert_end - 1);
    }
  }

  const Items& items_;
  const Elements& all_;
  const Ranks& ranks_;
  const Budget& budget_;
  std::vector<Life> intervals_;            // by element
  std::vector<std::uint32_t> descending_;  // elements, the greatest first
  std::vector<Rank> gaps_;                 // by element: of its dequeue; the number of gaps if there is none
  Occupancy occupancy_;
  Finding finding_;
};

}  // namespace

std::optional<SearchResult> monitor_priority_queue(const Items& items, const Budget& budget) {
  return bracketed(items, "enqueue", "dequeue", "priority-queue", budget, [&](const Elements& all, const Ranks& ranks) {
    return PriorityQueueMonitor(items, all, ranks, budget).run();
  });
}

}  // namespace faultline
