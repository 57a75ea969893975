#include "unseen.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>

namespace faultline {

namespace {

// Of all comparisons together; well below what a search of the same history costs.
constexpr std::uint64_t most_bytes_compared = 200'000'000;

struct Results {
  std::map<std::string_view, EventIndex> last_seen;  // by text: the last completion of a get that returned it
  std::uint64_t bytes = 0;
};

Results results_of(const Items& items) {
  Results results;
  for (const Item& item : items) {
    if (item.completed == none || item.call.f != "get" || !item.call.result_known) continue;
    const std::string_view text = item.call.output.is_null() ? std::string_view() : item.call.output.as_text();
    const auto [found, fresh] = results.last_seen.try_emplace(text, item.completed);
    found->second = std::max(found->second, item.completed);
    if (fresh) results.bytes += text.size() + 1;
  }
  return results;
}

bool is_seen(const Item& update, const Results& results) {
  const std::string_view text = update.call.input.as_text();
  const bool appends = update.call.f == "append";
  return std::any_of(results.last_seen.begin(), results.last_seen.end(), [&](const auto& result) {
    const auto& [shown, completed] = result;
    if (completed < update.invoked) return false;
    return appends ? shown.find(text) != shown.npos : shown.starts_with(text);
  });
}

}  // namespace

std::vector<std::uint32_t> without_unseen_updates(const Items& items) {
  std::vector<std::uint32_t> all(items.size());
  std::iota(all.begin(), all.end(), 0U);
  const auto open = static_cast<std::uint64_t>(
      std::count_if(items.begin(), items.end(), [](const Item& item) { return item.completed == none; }));
  if (open == 0) return all;
  const Results results = results_of(items);
  if (results.bytes > most_bytes_compared / open) return all;
  std::erase_if(all, [&](std::uint32_t i) { return items[i].completed == none && !is_seen(items[i], results); });
  return all;
}

}  // namespace faultline
