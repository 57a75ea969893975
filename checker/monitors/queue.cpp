// Queues with unique values, FIFO or not.
//
// Invalid patterns (the first three concern single values, the fourth pairs, the fifth empty dequeues):
//   1. a dequeue returns a value nobody enqueued, or completes before its enqueue was invoked;
//   2. two dequeues return the same value;
//   3. (fifo) a is enqueued wholly before b, and b is dequeued wholly before a, or a never;
//   4. a dequeue finds nothing, while in each of its gaps some value is certainly inside: its enqueue has returned and its dequeue, if
//      any, is not yet invoked.
//
// Without these an order exists, and this file builds it.
//   Empty moments. Give each empty dequeue its first gap in which nothing is certainly inside. These gaps cut time into epochs. A value
//   lies wholly before a cut if its enqueue and dequeue can both take effect by then, else wholly after: it is not certainly inside, so
//   its enqueue has not returned, or its dequeue was invoked. A value that comes before another (below) never has a later epoch.
//   FIFO order. a precedes b if a's enqueue returned before b's was invoked, or likewise for dequeues (never dequeued counts as last).
//   Both relations are interval orders; a cycle in their union shrinks to a pair of opposite edges, which is pattern 3: interval orders
//   have no two parallel chains a<b, c<d without a<d or c<b. So peeling values that nothing left precedes never gets stuck.
//   Times. Enqueues take effect as early as invocation and order allow, then dequeues likewise. An exchange puts every other legal
//   order into this shape, so if one exists the early times meet all deadlines; they are checked one by one all the same.
#include <algorithm>
#include <queue>

#include "monitor.hpp"
#include "ranks.hpp"
#include "value_index.hpp"

namespace faultline {

namespace {

constexpr std::uint32_t polls_every = 65'536;

struct Element {
  std::uint32_t enqueue = none;  // items
  std::uint32_t dequeue = none;
};

class QueueMonitor {
 public:
  QueueMonitor(const Items& items, QueueKind kind, const Budget& budget)
      : items_(items), kind_(kind), budget_(budget), ranks_(Ranks::of(items)) {}

  std::optional<SearchResult> run() {
    if (!collect() || died()) return finish();
    place_empty_dequeues();
    if (died()) return finish();
    assign_epochs();
    if (!order_elements() || died()) return finish();
    lay_out();
    return finish();
  }

 private:
  bool died() const { return !core_.empty(); }
  bool stopped() { return budget_.stop && budget_.stop() ? (stopped_ = true) : false; }

  // Rank of an element's events; an element never dequeued is dequeued after everything.
  Rank enqueue_invoked(std::uint32_t e) const { return ranks_.invoked[elements_[e].enqueue]; }
  Rank enqueue_completed(std::uint32_t e) const { return ranks_.completed[elements_[e].enqueue]; }
  Rank dequeue_invoked(std::uint32_t e) const {
    return elements_[e].dequeue == none ? never_returns : ranks_.invoked[elements_[e].dequeue];
  }
  Rank dequeue_completed(std::uint32_t e) const {
    return elements_[e].dequeue == none ? never_returns : ranks_.completed[elements_[e].dequeue];
  }

  // Sorts items into elements and empty dequeues; false: not ours to decide.
  bool collect() {
    ValueIndex index(items_.size() / 2 + 1);
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Call& call = items_[i].call;
      if (call.f != "enqueue") continue;
      if (call.input.is_null() || index.add(call.input) != elements_.size()) return false;
      elements_.push_back({.enqueue = i});
    }
    for (std::uint32_t i = 0; i < items_.size() && !died(); ++i) {
      const Call& call = items_[i].call;
      if (call.f == "enqueue") continue;
      if (call.f != "dequeue" || !call.result_known) return false;
      if (call.output.is_null()) {
        empties_.push_back({i, 0});
      } else {
        take(i, index.find(call.output));
      }
    }
    // An open enqueue whose value nobody took constrains nothing: it never happened.
    std::erase_if(elements_,
                  [&](const Element& e) { return e.dequeue == none && items_[e.enqueue].completed == none; });
    return true;
  }

  void take(std::uint32_t dequeue, std::uint32_t element) {
    if (element == none) return die({dequeue}, items_[dequeue].completed);
    Element& e = elements_[element];
    if (e.dequeue != none) {
      return die({e.enqueue, e.dequeue, dequeue}, std::max(items_[e.dequeue].completed, items_[dequeue].completed));
    }
    if (items_[dequeue].completed < items_[e.enqueue].invoked)
      return die({e.enqueue, dequeue}, items_[dequeue].completed);
    e.dequeue = dequeue;
  }

  void die(std::vector<std::uint32_t> core, EventIndex at) {
    std::erase(core, none);
    core_ = std::move(core);
    died_at_ = at;
  }

  // Pattern 4, and the gap of each empty dequeue.
  void place_empty_dequeues() {
    if (empties_.empty()) return;
    std::vector<std::int32_t> inside(ranks_.count + 1, 0);
    for (std::uint32_t e = 0; e < elements_.size(); ++e) {
      const Rank from = enqueue_completed(e);
      const Rank to = std::min(dequeue_invoked(e), ranks_.count);
      if (from >= to) continue;
      ++inside[from];
      --inside[to];
    }
    for (Rank gap = 1; gap <= ranks_.count; ++gap) inside[gap] += inside[gap - 1];
    std::vector<Rank> next_free(ranks_.count + 1, ranks_.count);
    for (Rank gap = ranks_.count; gap-- > 0;) next_free[gap] = inside[gap] == 0 ? gap : next_free[gap + 1];
    for (Empty& empty : empties_) {
      empty.gap = next_free[ranks_.invoked[empty.item]];
      if (empty.gap >= ranks_.completed[empty.item]) return die(cover(empty.item), items_[empty.item].completed);
    }
    std::sort(empties_.begin(), empties_.end(), [](const Empty& a, const Empty& b) { return a.gap < b.gap; });
  }

  // The dequeue and few elements, one after the other certainly inside, that leave it no gap.
  std::vector<std::uint32_t> cover(std::uint32_t dequeue) const {
    std::vector<std::uint32_t> core{dequeue};
    for (Rank gap = ranks_.invoked[dequeue]; gap < ranks_.completed[dequeue];) {
      std::uint32_t best = none;
      for (std::uint32_t e = 0; e < elements_.size(); ++e) {
        const bool covers = enqueue_completed(e) <= gap && gap < dequeue_invoked(e);
        if (covers && (best == none || dequeue_invoked(e) > dequeue_invoked(best))) best = e;
      }
      FL_ASSERT(best != none);
      core.push_back(elements_[best].enqueue);
      core.push_back(elements_[best].dequeue);
      gap = dequeue_invoked(best);
    }
    return core;
  }

  void assign_epochs() {
    for (const Empty& empty : empties_) {
      if (cuts_.empty() || cuts_.back() != empty.gap) cuts_.push_back(empty.gap);
    }
    epochs_.resize(elements_.size());
    for (std::uint32_t e = 0; e < elements_.size(); ++e) {
      const Rank possible = std::max(enqueue_invoked(e), dequeue_invoked(e));
      epochs_[e] = static_cast<std::uint32_t>(std::lower_bound(cuts_.begin(), cuts_.end(), possible) - cuts_.begin());
    }
  }

  template <class Key>
  std::vector<std::uint32_t> sorted_by(Key key) const {
    std::vector<std::uint64_t> keyed(elements_.size());
    for (std::uint32_t e = 0; e < elements_.size(); ++e) keyed[e] = std::uint64_t{key(e)} << 32 | e;
    std::sort(keyed.begin(), keyed.end());
    std::vector<std::uint32_t> sorted(elements_.size());
    for (std::size_t i = 0; i < keyed.size(); ++i) sorted[i] = static_cast<std::uint32_t>(keyed[i]);
    return sorted;
  }

  // Pattern 3, and the order of the elements; false if the budget ran out.
  bool order_elements() {
    if (kind_ == QueueKind::unordered) {
      sequence_ = sorted_by([&](std::uint32_t e) { return epochs_[e]; });
      return true;
    }
    const auto by_enqueue = sorted_by([&](std::uint32_t e) { return enqueue_invoked(e); });
    const auto by_dequeue = sorted_by([&](std::uint32_t e) { return dequeue_invoked(e); });
    const auto enqueued = sorted_by([&](std::uint32_t e) { return enqueue_completed(e); });
    const auto dequeued = sorted_by([&](std::uint32_t e) { return dequeue_completed(e); });
    std::vector<std::uint8_t> gates(elements_.size(), 0);  // how many of the two relations let it go first
    std::vector<bool> removed(elements_.size(), false);
    std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> ready;  // epoch, then element
    std::size_t next_enqueue = 0, next_dequeue = 0, first_enqueued = 0, first_dequeued = 0;
    const auto open_gate = [&](std::uint32_t e) {
      if (++gates[e] == 2) ready.push(std::uint64_t{epochs_[e]} << 32 | e);
    };
    sequence_.reserve(elements_.size());
    while (sequence_.size() < elements_.size()) {
      while (removed[enqueued[first_enqueued]]) ++first_enqueued;
      while (removed[dequeued[first_dequeued]]) ++first_dequeued;
      const std::uint32_t a = enqueued[first_enqueued];
      const std::uint32_t b = dequeued[first_dequeued];
      while (next_enqueue < by_enqueue.size() && enqueue_invoked(by_enqueue[next_enqueue]) < enqueue_completed(a)) {
        open_gate(by_enqueue[next_enqueue++]);
      }
      while (next_dequeue < by_dequeue.size() && (dequeue_invoked(by_dequeue[next_dequeue]) < dequeue_completed(b) ||
                                                  dequeue_completed(b) == never_returns)) {
        open_gate(by_dequeue[next_dequeue++]);
      }
      if (ready.empty()) {  // a may go first among enqueues and b among dequeues, and neither in both
        die({elements_[a].enqueue, elements_[b].enqueue, elements_[b].dequeue, elements_[a].dequeue},
            items_[elements_[b].dequeue].completed);
        return true;
      }
      const auto e = static_cast<std::uint32_t>(ready.top());
      ready.pop();
      removed[e] = true;
      sequence_.push_back(e);
      if (sequence_.size() % polls_every == 0 && stopped()) return false;
    }
    return true;
  }

  void lay_out() {
    layout_.emplace(items_.size());
    Rank cut = 0, enqueue_time = 0, dequeue_time = 0;
    std::size_t next = 0, empty = 0;
    std::vector<Rank> enqueue_times(elements_.size());
    for (std::uint32_t epoch = 0; epoch <= cuts_.size(); ++epoch) {
      const std::size_t first = next;
      enqueue_time = dequeue_time = cut;
      for (; next < sequence_.size() && epochs_[sequence_[next]] == epoch; ++next) {
        const std::uint32_t e = sequence_[next];
        const Rank time = std::max(enqueue_invoked(e), kind_ == QueueKind::fifo ? enqueue_time : cut);
        enqueue_times[e] = enqueue_time = time;
        layout_->put(elements_[e].enqueue, time);
      }
      for (std::size_t i = first; i < next; ++i) {
        const std::uint32_t e = sequence_[i];
        if (elements_[e].dequeue == none) continue;
        Rank time = std::max({dequeue_invoked(e), enqueue_times[e], kind_ == QueueKind::fifo ? dequeue_time : cut});
        dequeue_time = std::max(dequeue_time, time);
        layout_->put(elements_[e].dequeue, time);
      }
      if (epoch == cuts_.size()) break;
      cut = cuts_[epoch];
      if (dequeue_time > cut) return layout_.reset();  // not what the argument above says: decline
      for (; empty < empties_.size() && empties_[empty].gap == cut; ++empty) layout_->put(empties_[empty].item, cut);
    }
    if (!layout_->fits(ranks_)) layout_.reset();
  }

  std::optional<SearchResult> finish() {
    SearchResult result{.engine = kind_ == QueueKind::fifo ? "queue" : "unordered-queue"};
    result.cost.configurations = items_.size();
    result.cost.peak_bytes = items_.size() * 64;
    if (stopped_) {
      result.reason = budget_.why_stopped();
      return result;
    }
    if (died()) {
      result.kind = VerdictKind::invalid;
      result.died_at = died_at_;
      result.core = core_;
      return result;
    }
    if (!layout_) return std::nullopt;
    result.kind = VerdictKind::valid;
    result.order = layout_->order(ranks_.count);
    return result;
  }

  struct Empty {
    std::uint32_t item;
    Rank gap;
  };

  const Items& items_;
  const QueueKind kind_;
  const Budget& budget_;
  const Ranks ranks_;
  std::vector<Element> elements_;
  std::vector<Empty> empties_;
  std::vector<Rank> cuts_;
  std::vector<std::uint32_t> epochs_;    // by element
  std::vector<std::uint32_t> sequence_;  // elements in the order they go through the queue
  std::optional<Layout> layout_;
  std::vector<std::uint32_t> core_;
  EventIndex died_at_ = none;
  bool stopped_ = false;
};

}  // namespace

std::optional<SearchResult> monitor_queue(const Items& items, QueueKind kind, const Budget& budget) {
  return QueueMonitor(items, kind, budget).run();
}

}  // namespace faultline
