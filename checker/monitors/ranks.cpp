#include "ranks.hpp"

#include <algorithm>

namespace faultline {

Ranks Ranks::of(const Items& items) {
  Ranks ranks;
  ranks.invoked.resize(items.size());
  ranks.completed.resize(items.size(), never_returns);
  std::vector<std::uint64_t> completions;  // position, then item
  completions.reserve(items.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (items[i].completed != none) completions.push_back(std::uint64_t{items[i].completed} << 32 | i);
  }
  std::sort(completions.begin(), completions.end());
  std::size_t done = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    while (done < completions.size() && (completions[done] >> 32) < items[i].invoked) {
      ranks.completed[static_cast<std::uint32_t>(completions[done++])] = ranks.count++;
    }
    ranks.invoked[i] = ranks.count++;
  }
  while (done < completions.size()) ranks.completed[static_cast<std::uint32_t>(completions[done++])] = ranks.count++;
  return ranks;
}

std::vector<RankedEvent> Ranks::events() const {
  std::vector<RankedEvent> events(count);
  for (std::uint32_t i = 0; i < invoked.size(); ++i) {
    events[invoked[i]] = {i, false};
    if (completed[i] != never_returns) events[completed[i]] = {i, true};
  }
  return events;
}

bool Layout::fits(const Ranks& ranks) const {
  return std::all_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return ranks.fits(e.item, e.gap); });
}

std::vector<std::uint32_t> Layout::order(Rank gaps) const {
  std::vector<std::uint32_t> begin(gaps + 1, 0);
  for (const Entry& entry : entries_) ++begin[entry.gap + 1];
  for (Rank gap = 0; gap < gaps; ++gap) begin[gap + 1] += begin[gap];
  std::vector<std::uint32_t> sorted(entries_.size());
  for (const Entry& entry : entries_) sorted[begin[entry.gap]++] = entry.item;
  return sorted;
}

}  // namespace faultline
