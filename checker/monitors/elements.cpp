#include "elements.hpp"

#include <algorithm>

#include "value_index.hpp"

namespace faultline {

std::optional<Elements> Elements::of(const Items& items, std::string_view insert, std::string_view remove) {
  Elements found;
  ValueIndex index(items.size() / 2 + 1);
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Call& call = items[i].call;
    if (call.f != insert) continue;
    if (call.input.is_null() || index.add(call.input) != found.elements.size()) return std::nullopt;
    found.elements.push_back({.insertion = i});
  }
  for (std::uint32_t i = 0; i < items.size() && found.core.empty(); ++i) {
    const Call& call = items[i].call;
    if (call.f == insert) continue;
    if (call.f != remove) return std::nullopt;
    if (!call.result_known) {
      found.open_removals.push_back(i);
    } else if (call.output.is_null()) {
      found.empty_removals.push_back(i);
    } else {
      found.pair(items, i, index.find(call.output));
    }
  }
  std::erase_if(found.elements,
                [&](const Element& e) { return e.removal == none && items[e.insertion].completed == none; });
  return found;
}

// Never inserted, removed twice, or removed before it was inserted.
void Elements::pair(const Items& items, std::uint32_t removal, std::uint32_t element) {
  if (element == none) {
    core = {removal};
    return;
  }
  Element& e = elements[element];
  if (e.removal != none) {
    core = {e.insertion, e.removal, removal};
  } else if (items[removal].completed < items[e.insertion].invoked) {
    core = {e.insertion, removal};
  }
  e.removal = removal;
}

Life life_of(const Element& element, const Ranks& ranks) {
  Life life{.insert_first = ranks.invoked[element.insertion],
            .insert_end = ranks.completed[element.insertion],
            .remove_first = ranks.count,
            .remove_end = never_returns};
  if (element.removal == none) return life;
  life.remove_first = ranks.invoked[element.removal];
  life.remove_end = ranks.completed[element.removal];
  return life;
}

std::vector<std::uint32_t> covering_chain(const std::vector<Life>& lives, std::vector<std::uint32_t> some, Rank from,
                                          Rank to) {
  std::sort(some.begin(), some.end(), [&](auto a, auto b) { return lives[a].insert_end < lives[b].insert_end; });
  std::vector<std::uint32_t> chain;
  std::size_t next = 0;
  while (from < to) {
    std::uint32_t farthest = none;
    for (; next < some.size() && lives[some[next]].insert_end <= from; ++next) {
      if (farthest == none || lives[some[next]].remove_first > lives[farthest].remove_first) farthest = some[next];
    }
    if (farthest == none || lives[farthest].remove_first <= from) return {};
    chain.push_back(farthest);
    from = lives[farthest].remove_first;
  }
  return chain;
}

Finding contradiction(const Elements& all, const std::vector<std::uint32_t>& some, std::uint32_t empty_removal) {
  Finding finding{.core = {}, .elements = some, .layout = {}};
  if (empty_removal != none) finding.core.push_back(empty_removal);
  for (const std::uint32_t e : some) {
    const Element& element = all.elements[e];
    finding.core.push_back(element.insertion);
    if (element.removal != none) finding.core.push_back(element.removal);
    finding.lasting = finding.lasting || element.removal == none;
  }
  return finding;
}

namespace {

// The completion up to which the history is invalid already: that of the core, as all else may happen at any time after its invocation,
// or not. But removals in flight might then have taken an element that nobody took in the whole history; if the core holds one, those
// invoked before its last completion are waited for. Later ones come too late to help.
EventIndex death(const Items& items, const Finding& finding) {
  EventIndex last = 0;
  for (const std::uint32_t i : finding.core) {
    if (items[i].completed != none) last = std::max(last, items[i].completed);
  }
  if (!finding.lasting) return last;
  EventIndex settled = last;
  for (const Item& item : items) {
    if (item.invoked > last) break;
    if (item.completed != none) settled = std::max(settled, item.completed);
  }
  return settled;
}

}  // namespace

SearchResult too_large(std::string_view engine) {
  return {.engine = std::string(engine), .reason = std::string(stopped_by_memory)};
}

std::optional<SearchResult> conclude(const Items& items, const Ranks& ranks, std::string_view engine,
                                     const Finding& finding, const Budget& budget) {
  SearchResult result{.engine = std::string(engine), .reason = {}};
  result.cost.configurations = items.size();
  result.cost.peak_bytes = items.size() * element_bytes_per_item;
  if (finding.stopped) {
    result.reason = budget.why_stopped();
  } else if (!finding.core.empty()) {
    result.kind = VerdictKind::invalid;
    result.died_at = death(items, finding);
    result.core = finding.core;
  } else if (finding.layout && finding.layout->fits(ranks)) {
    result.kind = VerdictKind::valid;
    result.order = finding.layout->order(ranks.count);
  } else {
    return std::nullopt;
  }
  return result;
}

Takers::Takers(const Items& items, const Elements& all)
    : items_(items),
      guessed_(all),
      used_(all.open_removals.size(), false),
      attempts_(std::min(4 * used_.size(), 16 + 20'000'000 / items.size())) {}

bool Takers::open(std::uint32_t element) const {
  const std::uint32_t removal = guessed_.elements[element].removal;
  return removal == none || items_[removal].completed == none;
}

std::uint32_t Takers::last_before(EventIndex event) const {
  std::uint32_t last = none;
  for (std::uint32_t r = 0; r < used_.size() && items_[guessed_.open_removals[r]].invoked < event; ++r) {
    if (!used_[r]) last = r;
  }
  return last;
}

bool Takers::relieve(const Finding& finding) {
  if (attempts_-- == 0) return false;
  EventIndex until = 0;
  for (const std::uint32_t i : finding.core) {
    if (items_[i].completed != none) until = std::max(until, items_[i].completed);
  }
  std::uint32_t best = none, best_taker = none;
  for (const std::uint32_t e : finding.elements) {
    if (!open(e)) continue;
    const std::uint32_t now = guessed_.elements[e].removal;
    const std::uint32_t taker = last_before(now == none ? until : std::min(until, items_[now].invoked));
    if (taker == none) continue;
    if (best != none && guessed_.elements[e].insertion < guessed_.elements[best].insertion) continue;
    best = e;
    best_taker = taker;
  }
  if (best == none) return false;
  const std::uint32_t before = guessed_.elements[best].removal;
  for (std::uint32_t r = 0; r < used_.size(); ++r) {
    if (guessed_.open_removals[r] == before) used_[r] = false;
  }
  used_[best_taker] = true;
  guessed_.elements[best].removal = guessed_.open_removals[best_taker];
  return true;
}

}  // namespace faultline
