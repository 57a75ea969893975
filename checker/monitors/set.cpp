// Grow-only sets: add e, read everything, contains e. An element may be added many times.
//
// What every legal order satisfies:
//   1. A read shows each element once, and only elements whose add was invoked before the read completed.
//   2. Reads form a chain by inclusion, and take effect in that order (equal ones by invocation, without loss of generality).
//   3. All adds of e come after every read that lacks it and every `contains e -> false`; at least one comes before the first read that
//      shows it and before every `contains e -> true`.
// Conversely, give every operation the earliest gap these rules and its invocation allow. That is the least solution of rules that are
// all of the form "not before": if one operation misses its completion there, it misses it in every order; if none does, sorting by gap
// is a legal order, rules 1-3 being all that the model asks.
#include <algorithm>

#include "monitor.hpp"
#include "ranks.hpp"
#include "value_index.hpp"

namespace faultline {

namespace {

std::span<const Value> elements_of(const Value& read) {
  return read.is_tagged() ? read.tagged_value().as_list() : read.as_list();
}

bool is_collection(const Value& value) {
  return value.is_list() || (value.is_tagged() && value.tag() == "set" && value.tagged_value().is_list());
}

struct Element {
  std::vector<std::uint32_t> adds;
  std::vector<std::uint32_t> absences;   // contains -> false
  std::vector<std::uint32_t> presences;  // contains -> true
  std::uint32_t first_read = none;       // position in the chain
};

class SetMonitor {
 public:
  SetMonitor(const Items& items, const Budget& budget) : items_(items), budget_(budget), ranks_(Ranks::of(items)) {}

  // Whether an order exists; nullopt: not ours to decide, or stopped().
  std::optional<bool> decide() {
    if (!collect()) return std::nullopt;
    if (!chain_reads()) return stopped_ ? std::nullopt : std::optional<bool>(false);
    return place_all();
  }
  [[nodiscard]] std::vector<std::uint32_t> order() const { return layout_->order(ranks_.count); }
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  bool collect() {
    ValueIndex index(items_.size());
    const auto element = [&](const Value& value) -> Element& {
      const std::uint32_t number = index.add(value);
      if (number == elements_.size()) elements_.emplace_back();
      return elements_[number];
    };
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Call& call = items_[i].call;
      if (call.f == "add") {
        element(call.input).adds.push_back(i);
      } else if (call.f == "contains" && call.result_known && call.output.is_boolean()) {
        (call.output.as_boolean() ? element(call.input).presences : element(call.input).absences).push_back(i);
      } else if (call.f == "read" && call.result_known && is_collection(call.output)) {
        reads_.push_back({.item = i});
      } else {
        return false;
      }
    }
    for (Read& read : reads_) {
      const auto shown = elements_of(items_[read.item].call.output);
      read.elements.reserve(shown.size());
      for (const Value& value : shown) read.elements.push_back(index.find(value));
    }
    return true;
  }

  // Rules 1 (but for times) and 2; notes where each element is first seen.
  bool chain_reads() {
    std::stable_sort(reads_.begin(), reads_.end(),
                     [](const Read& a, const Read& b) { return a.elements.size() < b.elements.size(); });
    std::size_t known = 0;
    std::vector<std::uint32_t> seen_in(elements_.size(), none);  // the last read that shows it
    for (std::uint32_t k = 0; k < reads_.size(); ++k) {
      std::size_t old = 0;
      for (const std::uint32_t e : reads_[k].elements) {
        if (e == none || elements_[e].adds.empty() || seen_in[e] == k) return false;
        seen_in[e] = k;
        old += elements_[e].first_read != none;
        if (elements_[e].first_read == none) elements_[e].first_read = k;
      }
      if (old != known) return false;
      known = reads_[k].elements.size();
      looked_at_ += 1 + known;
      if (looked_at_ < polls_every) continue;
      looked_at_ = 0;
      if (budget_.stop && budget_.stop()) {
        stopped_ = true;
        return false;
      }
    }
    return true;
  }

  bool place_all() {
    layout_.emplace(items_.size());
    std::vector<std::vector<std::uint32_t>> news(reads_.size() +
                                                 1);  // elements by the read that first shows them; last: none does
    for (std::uint32_t e = 0; e < elements_.size(); ++e) {
      news[elements_[e].first_read == none ? reads_.size() : elements_[e].first_read].push_back(e);
    }
    Rank time = 0;  // of the previous read: whatever it does not show begins after it
    bool any = false;
    for (std::size_t k = 0; k <= reads_.size(); ++k) {
      Rank begun = time;
      for (const std::uint32_t e : news[k]) {
        const auto present = place(elements_[e], any ? time : 0, k < reads_.size());
        if (!present) return false;
        begun = std::max(begun, *present);
      }
      if (k == reads_.size()) break;
      time = std::max(begun, ranks_.invoked[reads_[k].item]);
      layout_->put(reads_[k].item, time);
      any = true;
    }
    return layout_->fits(ranks_);
  }

  // Lays out one element's own operations, none before `from`; the gap from which it is there. nullopt: it cannot be there when needed.
  std::optional<Rank> place(const Element& element, Rank from, bool shown) {
    for (const std::uint32_t c : element.absences) {
      layout_->put(c, ranks_.invoked[c]);
      from = std::max(from, ranks_.invoked[c]);
    }
    const bool needed = shown || !element.presences.empty();
    Rank present = never_returns;
    for (const std::uint32_t a : element.adds) {
      if (items_[a].completed == none && !needed) continue;  // open and unseen: it never happened
      const Rank gap = std::max(from, ranks_.invoked[a]);
      layout_->put(a, gap);
      present = std::min(present, gap);
    }
    if (needed && present == never_returns) return std::nullopt;
    for (const std::uint32_t c : element.presences) layout_->put(c, std::max(present, ranks_.invoked[c]));
    return needed ? present : 0;
  }

  struct Read {
    std::uint32_t item;
    std::vector<std::uint32_t> elements;
  };

  const Items& items_;
  const Budget& budget_;
  const Ranks ranks_;
  std::vector<Element> elements_;
  std::vector<Read> reads_;  // after chain_reads(): by inclusion
  std::optional<Layout> layout_;
  static constexpr std::size_t polls_every = 65'536;
  std::size_t looked_at_ = 0;  // since the budget was polled
  bool stopped_ = false;
};

// The history cut after the event: operations invoked later are gone, those under way are open, and open observers say nothing.
Items prefix(const Items& items, EventIndex last) {
  Items cut;
  for (const Item& item : items) {
    if (item.invoked > last) break;
    if (item.completed <= last) {
      cut.push_back(item);
    } else if (item.call.f == "add") {
      cut.push_back(item);
      cut.back().completed = none;
    }
  }
  return cut;
}

// The first completion after which no order exists: prefixes of a linearizable history are linearizable, so bisection finds it.
EventIndex first_death(const Items& items, const Budget& budget) {
  std::vector<EventIndex> completions;
  for (const Item& item : items) {
    if (item.completed != none) completions.push_back(item.completed);
  }
  std::sort(completions.begin(), completions.end());
  std::size_t low = 0, high = completions.size() - 1;  // the history up to completions[high] is invalid
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const Items cut = prefix(items, completions[middle]);
    const auto legal = SetMonitor(cut, budget).decide();
    if (!legal) break;  // out of time: a later cut is right too
    (*legal ? low : high) = *legal ? middle + 1 : middle;
  }
  return completions[high];
}

}  // namespace

std::optional<SearchResult> monitor_set(const Items& items, const Budget& budget) {
  SetMonitor monitor(items, budget);
  const auto legal = monitor.decide();
  SearchResult result{.engine = "set"};
  result.cost.configurations = items.size();
  if (monitor.stopped()) {
    result.reason = budget.why_stopped();
    return result;
  }
  if (!legal) return std::nullopt;
  result.kind = *legal ? VerdictKind::valid : VerdictKind::invalid;
  if (*legal) {
    result.order = monitor.order();
  } else if (!budget.kind_only) {
    result.died_at = first_death(items, budget);
  }
  return result;
}

}  // namespace faultline
