// Stacks with unique values: a pop returns the newest, or nil if there is none. Pops of elements never popped are imagined after the end.
//
// Elements whose push and pop may share a gap are laid out there, one right after the other: that disturbs nobody, and taking them out of
// a legal order leaves it legal. All others are *surely inside* from the end of their push to the beginning of their pop, an interval of
// gaps. Of these elements:
//   Free gaps. In a gap that no interval covers, the stack may be empty: take a legal order and, at one moment of the gap, pop what has
//   its pop already invoked, the top first, and push the rest anew, the bottom first, instead of earlier; the rest has its push not yet
//   returned, as nothing is surely inside. Both halves stay legal and everything stays in time. So elements fall into *segments*, the
//   connected unions [a, b) of their intervals, that can be judged one by one, each with its pushes from gap a-1 on and its pops up to gap
//   b. A pop that found nothing fits a free gap, between two segments, and nowhere else.
//   One element around all others. Within a segment some element is pushed first and popped last: were the stack empty in between, it
//   would be in a covered gap. Its push may come in gap a-1, before that of the element whose push returns at a, and its pop in gap b:
//   call such elements *outer*. Conversely an outer element can be taken out of a legal order and put around it, and still everything is
//   in time. So all outer elements may be peeled off in any order, and what remains of the segment is judged alone.
// The segments of what remains lie within the old one, so its order fits between the outer pushes in gap a-1 and the outer pops in gap b.
// A segment without an outer element has no legal order, nor has any part of it that covers the same gaps: a chain of intervals from the
// first to the last of them is the core.
//
// As segments shrink an element that may be pushed in gap a-1 stays so, and likewise for pops; each is found once, in trees over the
// elements by the end of their pushes that hold the beginning of pushes and the end of pops. A third tree counts the intervals that cover
// a gap; each gap becomes free once. Together n log n, whatever the history.
#include <algorithm>
#include <bit>
#include <limits>

#include "elements.hpp"
#include "monitor.hpp"

namespace faultline {

namespace {

constexpr std::uint32_t polls_every = 1'000;

// Numbers by index, of which those below a bound can be taken out of a range, each at the cost of O(log n).
class LeastTree {
 public:
  explicit LeastTree(const std::vector<Rank>& numbers)
      : width_(std::bit_ceil(numbers.size() + 1)), least_(2 * width_, gone) {
    std::copy(numbers.begin(), numbers.end(), least_.begin() + static_cast<std::ptrdiff_t>(width_));
    for (std::size_t node = width_; --node > 0;) least_[node] = std::min(least_[2 * node], least_[2 * node + 1]);
  }

  // Appends to `taken` the indices in [from, to) whose number is below the bound.
  void take_below(std::size_t from, std::size_t to, Rank bound, std::vector<std::uint32_t>& taken) {
    for (from += width_, to += width_; from < to; from /= 2, to /= 2) {
      if (from % 2 == 1) take_under(from++, bound, taken);
      if (to % 2 == 1) take_under(--to, bound, taken);
    }
  }

 private:
  static constexpr Rank gone = std::numeric_limits<Rank>::max();

  void take_under(std::size_t root, Rank bound, std::vector<std::uint32_t>& taken) {
    while (least_[root] < bound) {
      std::size_t node = root;
      while (node < width_) node = 2 * node + (least_[2 * node] < bound ? 0 : 1);
      taken.push_back(static_cast<std::uint32_t>(node - width_));
      least_[node] = gone;
      for (node /= 2; node > 0; node /= 2) {
        const Rank least = std::min(least_[2 * node], least_[2 * node + 1]);
        if (least == least_[node]) break;
        least_[node] = least;
      }
    }
  }

  std::size_t width_;
  std::vector<Rank> least_;
};

// Counts by index; ranges are counted down, and each index that comes to zero is reported once.
class CoverTree {
 public:
  explicit CoverTree(const std::vector<std::int32_t>& counts)
      : width_(std::bit_ceil(counts.size() + 1)), least_(2 * width_, reported), pending_(width_, 0) {
    std::copy(counts.begin(), counts.end(), least_.begin() + static_cast<std::ptrdiff_t>(width_));
    for (std::size_t node = width_; --node > 0;) pull(node);
  }

  void count_down(std::size_t from, std::size_t to) {
    const std::size_t first = from + width_, last = to - 1 + width_;
    for (from += width_, to += width_; from < to; from /= 2, to /= 2) {
      if (from % 2 == 1) add(from++, -1);
      if (to % 2 == 1) add(--to, -1);
    }
    for (std::size_t node = first / 2; node > 0; node /= 2) pull(node);
    for (std::size_t node = last / 2; node > 0; node /= 2) pull(node);
  }

  // The indices in [from, to) that are zero and were not reported yet, in order.
  void take_zeros(std::size_t from, std::size_t to, std::vector<std::uint32_t>& zeros) {
    take_zeros(1, 0, width_, from, to, 0, zeros);
  }

 private:
  static constexpr std::int32_t reported = std::numeric_limits<std::int32_t>::max() / 2;

  void add(std::size_t node, std::int32_t amount) {
    least_[node] += amount;
    if (node < width_) pending_[node] += amount;
  }
  void pull(std::size_t node) { least_[node] = std::min(least_[2 * node], least_[2 * node + 1]) + pending_[node]; }

  // The node covers [begin, end); `above`: what is pending in the nodes above it. The recursion is as deep as the tree.
  void take_zeros(std::size_t node, std::size_t begin, std::size_t end, std::size_t from, std::size_t to,
                  std::int32_t above, std::vector<std::uint32_t>& zeros) {
    if (end <= from || to <= begin || least_[node] + above > 0) return;
    if (node >= width_) {
      zeros.push_back(static_cast<std::uint32_t>(begin));
      least_[node] = reported;
      return;
    }
    const std::size_t middle = begin + (end - begin) / 2;
    take_zeros(2 * node, begin, middle, from, to, above + pending_[node], zeros);
    take_zeros(2 * node + 1, middle, end, from, to, above + pending_[node], zeros);
    pull(node);
  }

  std::size_t width_;
  std::vector<std::int32_t> least_;    // of the leaves below, without what is pending above
  std::vector<std::int32_t> pending_;  // by inner node: for all leaves below
};

class StackMonitor {
 public:
  StackMonitor(const Items& items, const Elements& all, const Ranks& ranks, const Budget& budget)
      : all_(all), ranks_(ranks), budget_(budget), layout_(items.size()) {}

  Finding run() {
    sort_elements();
    count_cover();
    if (!place_empty_pops()) return std::move(finding_);
    find_stretches();
    if (!peel()) return std::move(finding_);
    finding_.layout = std::move(layout_);
    return std::move(finding_);
  }

 private:
  // A run of stretches to be judged, or the pops of outer elements to be laid out when all within is.
  struct Task {
    bool pops = false;
    std::uint32_t begin = 0, end = 0;  // stretches, or indices into outer_
    Rank gap = 0;                      // of the pops
  };
  struct Empty {
    std::uint32_t item;
    Rank gap;
  };

  // Lays out the elements whose push and pop may share a gap; keeps the others by the end of their pushes.
  void sort_elements() {
    std::vector<std::uint32_t> pushed_at(ranks_.count, none);
    for (std::uint32_t e = 0; e < all_.elements.size(); ++e) {
      const Life life = life_of(all_.elements[e], ranks_);
      if (life.remove_first >= life.insert_end) {
        pushed_at[life.insert_end] = e;
        continue;
      }
      const Rank gap = std::max(life.insert_first, life.remove_first);
      layout_.put(all_.elements[e].insertion, gap);
      layout_.put(all_.elements[e].removal, gap);
    }
    for (const std::uint32_t e : pushed_at) {
      if (e == none) continue;
      elements_.push_back(e);
      intervals_.push_back(life_of(all_.elements[e], ranks_));
    }
  }

  // How many are surely inside, by gap.
  void count_cover() {
    cover_.assign(ranks_.count + 1, 0);
    for (const Life& life : intervals_) {
      ++cover_[life.insert_end];
      --cover_[life.remove_first];
    }
    for (Rank gap = 1; gap <= ranks_.count; ++gap) cover_[gap] += cover_[gap - 1];
  }

  bool place_empty_pops() {
    if (all_.empty_removals.empty()) return true;
    std::vector<Rank> next_free(ranks_.count + 1, ranks_.count);
    for (Rank gap = ranks_.count; gap-- > 0;) next_free[gap] = cover_[gap] == 0 ? gap : next_free[gap + 1];
    for (const std::uint32_t i : all_.empty_removals) {
      empties_.push_back({i, next_free[ranks_.invoked[i]]});
      if (empties_.back().gap < ranks_.completed[i]) continue;
      die(ranks_.invoked[i], ranks_.completed[i], everyone(), i);
      return false;
    }
    std::sort(empties_.begin(), empties_.end(), [](const Empty& a, const Empty& b) { return a.gap < b.gap; });
    return true;
  }

  [[nodiscard]] std::vector<std::uint32_t> everyone() const {
    std::vector<std::uint32_t> some(intervals_.size());
    for (std::uint32_t e = 0; e < some.size(); ++e) some[e] = e;
    return some;
  }

  // Elements of `some` that cover [from, to) contradict each other, or the pop that found nothing.
  void die(Rank from, Rank to, std::vector<std::uint32_t> some, std::uint32_t empty_pop) {
    std::vector<std::uint32_t> chain = covering_chain(intervals_, std::move(some), from, to);
    FL_ASSERT(!chain.empty());
    for (std::uint32_t& e : chain) e = elements_[e];
    finding_ = contradiction(all_, chain, empty_pop);
  }

  // Stretches: the gaps between two ends of intervals, where the cover does not change. The last one begins at the end of the history.
  void find_stretches() {
    std::vector<std::uint32_t> stretch_at(ranks_.count + 1, none);
    for (const Life& life : intervals_) stretch_at[life.insert_end] = stretch_at[life.remove_first] = 0;
    std::uint32_t before = 0;
    std::vector<bool> push_ends(ranks_.count + 1, false);
    for (const Life& life : intervals_) push_ends[life.insert_end] = true;
    for (Rank rank = 0; rank <= ranks_.count; ++rank) {
      if (stretch_at[rank] == none) continue;
      stretch_at[rank] = static_cast<std::uint32_t>(starts_.size());
      starts_.push_back(rank);
      first_element_.push_back(before);
      before += push_ends[rank];
    }
    for (const Life& life : intervals_) spans_.emplace_back(stretch_at[life.insert_end], stretch_at[life.remove_first]);
  }

  bool peel() {
    std::vector<std::int32_t> counts;
    for (const Rank start : starts_) counts.push_back(cover_[start]);
    std::vector<Rank> pushes, pops;  // the latter from the end, so that late ones are small
    for (const Life& life : intervals_) {
      pushes.push_back(life.insert_first);
      pops.push_back(never_returns - life.remove_end);
    }
    CoverTree cover(counts);
    LeastTree early_pushes(pushes), late_pops(pops);
    halves_.assign(intervals_.size(), 0);
    split(cover, 0, static_cast<std::uint32_t>(starts_.size()));
    for (std::uint32_t steps = 0; !tasks_.empty(); ++steps) {
      const Task task = tasks_.back();
      tasks_.pop_back();
      if (task.pops) {
        lay_out_pops(task);
        continue;
      }
      lay_out_empty_pops(starts_[task.begin]);  // none but before an outermost segment: within, nothing is free
      if (!judge(task, cover, early_pushes, late_pops)) return false;
      if (steps % polls_every == polls_every - 1 && budget_.stop && budget_.stop()) {
        finding_.stopped = true;
        return false;
      }
    }
    lay_out_empty_pops(ranks_.count);
    return true;
  }

  // Those with a gap before this.
  void lay_out_empty_pops(Rank before) {
    for (; next_empty_ < empties_.size() && empties_[next_empty_].gap < before; ++next_empty_) {
      layout_.put(empties_[next_empty_].item, empties_[next_empty_].gap);
    }
  }

  void lay_out_pops(const Task& task) {
    for (std::uint32_t i = task.end; i-- > task.begin;) {
      const Element& element = all_.elements[elements_[outer_[i]]];
      if (element.removal != none) layout_.put(element.removal, task.gap);
    }
    outer_.resize(task.begin);
  }

  // Peels a segment and leaves what it splits into as tasks; false if nothing is outer.
  bool judge(const Task& segment, CoverTree& cover, LeastTree& early_pushes, LeastTree& late_pops) {
    const Rank begin = starts_[segment.begin], end = starts_[segment.end];
    const std::uint32_t first = first_element_[segment.begin], last = first_element_[segment.end];
    const auto from = static_cast<std::uint32_t>(outer_.size());
    halved_.clear();
    early_pushes.take_below(first, last, begin, halved_);
    late_pops.take_below(first, last, never_returns - end, halved_);
    for (const std::uint32_t e : halved_) {
      if (++halves_[e] == 2) outer_.push_back(e);
    }
    if (outer_.size() == from) {
      std::vector<std::uint32_t> left;
      for (std::uint32_t e = first; e < last; ++e) {
        if (halves_[e] < 2) left.push_back(e);
      }
      die(begin, end, std::move(left), none);
      return false;
    }
    for (std::size_t i = from; i < outer_.size(); ++i) {
      const std::uint32_t e = outer_[i];
      layout_.put(all_.elements[elements_[e]].insertion, begin - 1);
      cover.count_down(spans_[e].first, spans_[e].second);
    }
    tasks_.push_back({.pops = true, .begin = from, .end = static_cast<std::uint32_t>(outer_.size()), .gap = end});
    split(cover, segment.begin, segment.end);
    return true;
  }

  // Tasks for the segments that are left of these stretches, the first one on top.
  void split(CoverTree& cover, std::uint32_t begin, std::uint32_t end) {
    zeros_.clear();
    cover.take_zeros(begin, end, zeros_);
    for (std::size_t i = zeros_.size(); i-- > 0;) {
      if (zeros_[i] + 1 < end) tasks_.push_back({.begin = zeros_[i] + 1, .end = end});
      end = zeros_[i];
    }
    if (begin < end) tasks_.push_back({.begin = begin, .end = end});
  }

  const Elements& all_;
  const Ranks& ranks_;
  const Budget& budget_;
  // Elements that are surely inside for a while, by the end of their pushes; from here on they are numbered so.
  std::vector<std::uint32_t> elements_;  // what they are in all_
  std::vector<Life> intervals_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> spans_;  // stretches
  std::vector<std::uint8_t> halves_;                            // whether push or pop may be outermost, counted
  std::vector<std::int32_t> cover_;                             // by gap
  std::vector<Rank> starts_;                                    // by stretch: the first gap
  std::vector<std::uint32_t> first_element_;                    // by stretch: the first whose push ends there or later
  std::vector<Empty> empties_;
  std::size_t next_empty_ = 0;
  std::vector<Task> tasks_;
  std::vector<std::uint32_t> outer_;  // of the segments around the current one, and of it
  std::vector<std::uint32_t> halved_, zeros_;
  Layout layout_;
  Finding finding_;
};

}  // namespace

std::optional<SearchResult> monitor_stack(const Items& items, const Budget& budget) {
  return bracketed(items, "push", "pop", "stack", budget, [&](const Elements& all, const Ranks& ranks) {
    return StackMonitor(items, all, ranks, budget).run();
  });
}

}  // namespace faultline
