#include "counter_ranges.hpp"

#include <algorithm>
#include <optional>

namespace faultline {

namespace {

// Sums of fewer than 2^31 numbers below 2^31 stay below 2^62.
constexpr std::int64_t large = std::int64_t{1} << 31;

std::optional<std::int64_t> change_of(const Call& call) {
  const std::int64_t n = call.input.is_null() ? 1 : call.input.as_integer();
  if (n <= -large || n >= large) return std::nullopt;
  return call.f == "dec" ? -n : n;
}

struct Range {
  std::int64_t least = 0, most = 0;
};

// By how much the counter may have changed from `after`, where something had returned or begun, to the read.
Range change_between(const Items& items, const Item* after, const Item& read) {
  Range range;
  for (const Item& item : items) {
    if (item.call.f == "read" || item.invoked > read.completed) continue;
    if (after != nullptr && item.completed < after->invoked) continue;  // over before either
    const std::int64_t change = *change_of(item.call);
    const bool begun_after = after == nullptr || item.invoked > after->completed;
    const bool certain = begun_after && item.completed < read.invoked;
    if (certain || change < 0) range.least += change;
    if (certain || change > 0) range.most += change;
  }
  return range;
}

}  // namespace

bool counter_out_of_range(const Items& items, std::int64_t initial) {
  if (initial <= -large || initial >= large) return false;
  std::vector<const Item*> reads;
  for (const Item& item : items) {
    const bool known = item.call.f == "read" && item.completed != none && item.call.result_known;
    if (known) reads.push_back(&item);
    if (item.call.f != "read" && !change_of(item.call)) return false;
  }
  const auto wrong = [&](std::int64_t from, const Item* after, const Item& read) {
    const Range range = change_between(items, after, read);
    const std::int64_t shown = read.call.output.as_integer();
    return shown < from + range.least || shown > from + range.most;
  };
  constexpr std::size_t most_reads = 32;  // pairs of these are looked at
  if (reads.size() > most_reads) return false;
  return std::any_of(reads.begin(), reads.end(), [&](const Item* read) {
    if (wrong(initial, nullptr, *read)) return true;
    return std::any_of(reads.begin(), reads.end(), [&](const Item* before) {
      const std::int64_t from = before->call.output.as_integer();
      const bool far = from > INT64_MAX / 4 || from < INT64_MIN / 4;
      return before->completed < read->invoked && !far && wrong(from, before, *read);
    });
  });
}

}  // namespace faultline
