// Every monitor against brute force on small histories, and on long ones that are linearizable by construction.
#include <faultline/models.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

#include <algorithm>

#include "checker/monitors/monitor.hpp"
#include "checker/proof/brute_force.hpp"

namespace faultline {
namespace {

Call call(std::string_view f, Value input, Value output) {
  return {.f = f, .input = input, .output = output, .result_known = true};
}

// An order is a proof: each completed item once, open ones at most once, in real time, and the model agrees.
template <class M>
testing::AssertionResult proves(const M& model, const Items& items, const std::vector<std::uint32_t>& order) {
  std::vector<bool> placed(items.size(), false);
  EventIndex latest = 0;
  auto state = model.init();
  for (const std::uint32_t i : order) {
    if (placed[i]) return testing::AssertionFailure() << "item " << i << " twice";
    placed[i] = true;
    latest = std::max(latest, items[i].invoked);
    if (items[i].completed < latest) return testing::AssertionFailure() << "item " << i << " after a later invocation";
    const auto next = model.step(state, items[i].call);
    if (!next) return testing::AssertionFailure() << "the model refuses item " << i;
    state = *next;
  }
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (items[i].completed != none && !placed[i]) return testing::AssertionFailure() << "item " << i << " is missing";
  }
  return testing::AssertionSuccess();
}

// Gives random intervals to calls; the calls' results are whatever they are.
Items scatter(const std::vector<Call>& calls, Rng& rng, double open_rate) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> events;
  const std::uint64_t span = calls.size() * 6;
  for (std::uint32_t i = 0; i < calls.size(); ++i) {
    const std::uint64_t start = rng.below(span);
    events.emplace_back(start * 2, i);
    events.emplace_back((start + rng.below(span / 2 + 1)) * 2 + 1, i);
  }
  std::sort(events.begin(), events.end());
  Items items(calls.size());
  std::vector<bool> begun(calls.size(), false);
  for (std::uint32_t position = 0; position < events.size(); ++position) {
    const std::uint32_t i = events[position].second;
    (begun[i] ? items[i].completed : items[i].invoked) = position;
    begun[i] = true;
  }
  for (std::uint32_t i = 0; i < calls.size(); ++i) {
    items[i].operation = i;
    items[i].call = calls[i];
    const bool changes = calls[i].f == "enqueue" || calls[i].f == "add";
    if (changes && rng.chance(open_rate)) items[i].completed = none;
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
  return items;
}

// The history ends after the event: later operations are gone, those under way open; open observers and removals would constrain
// nothing or explain too much, and are gone.
Items cut_after(const Items& items, EventIndex last) {
  Items cut;
  for (const Item& item : items) {
    const bool done = item.completed <= last;
    if (item.invoked > last || (!done && item.call.f != "enqueue" && item.call.f != "add")) continue;
    cut.push_back(item);
    if (!done) cut.back().completed = none;
  }
  return cut;
}

template <class M>
void expect_same(const M& model, const Items& items, const std::optional<SearchResult>& found, std::uint64_t round) {
  const BruteForceResult truth = brute_force(model, items);
  ASSERT_TRUE(found.has_value()) << "round " << round;
  ASSERT_EQ(found->kind, truth.kind) << "round " << round;
  if (found->kind == VerdictKind::valid) {
    ASSERT_TRUE(proves(model, items, found->order)) << "round " << round;
    return;
  }
  // The history up to died_at is invalid already.
  ASSERT_EQ(brute_force(model, cut_after(items, found->died_at)).kind, VerdictKind::invalid) << "round " << round;
}

std::vector<Call> random_queue_calls(Rng& rng) {
  std::vector<Call> calls;
  const std::uint64_t values = 1 + rng.below(3);
  for (std::uint64_t v = 0; v < values; ++v) {
    calls.push_back(call("enqueue", static_cast<std::int64_t>(v), {}));
    if (rng.chance(0.8)) calls.push_back(call("dequeue", {}, static_cast<std::int64_t>(v)));
    if (rng.chance(0.05)) calls.push_back(call("dequeue", {}, static_cast<std::int64_t>(rng.below(values + 1))));
  }
  while (rng.chance(0.5) && calls.size() < 7) calls.push_back(call("dequeue", {}, {}));
  return calls;
}

TEST(QueueMonitor, AgreesWithBruteForceOnSmallFifoHistories) {
  Rng rng = Rng(1).fork("fifo");
  std::size_t valid = 0;
  for (std::uint64_t round = 0; round < 30'000; ++round) {
    const Items items = scatter(random_queue_calls(rng), rng, 0.1);
    const auto found = monitor_queue(items, QueueKind::fifo, {});
    expect_same(FifoQueue{}, items, found, round);
    if (HasFatalFailure()) return;
    valid += found->kind == VerdictKind::valid;
  }
  EXPECT_GT(valid, 3'000U);
  EXPECT_LT(valid, 27'000U);
}

TEST(QueueMonitor, AgreesWithBruteForceOnSmallUnorderedHistories) {
  Rng rng = Rng(1).fork("unordered");
  std::size_t valid = 0;
  for (std::uint64_t round = 0; round < 30'000; ++round) {
    const Items items = scatter(random_queue_calls(rng), rng, 0.1);
    const auto found = monitor_queue(items, QueueKind::unordered, {});
    expect_same(UnorderedQueue{}, items, found, round);
    if (HasFatalFailure()) return;
    valid += found->kind == VerdictKind::valid;
  }
  EXPECT_GT(valid, 3'000U);
  EXPECT_LT(valid, 27'000U);
}

Value random_subset(Rng& rng, std::int64_t elements) {
  std::vector<Value> shown;
  for (std::int64_t e = 0; e < elements; ++e) {
    if (rng.chance(0.5)) shown.emplace_back(e);
  }
  rng.shuffle(std::span(shown));
  return Value::list(std::move(shown));
}

TEST(SetMonitor, AgreesWithBruteForceOnSmallHistories) {
  Rng rng = Rng(1).fork("set");
  std::size_t valid = 0;
  for (std::uint64_t round = 0; round < 30'000; ++round) {
    std::vector<Call> calls;
    const std::int64_t elements = rng.between(1, 3);
    for (std::int64_t n = rng.between(1, 4); n > 0; --n) calls.push_back(call("add", rng.between(0, elements - 1), {}));
    while (rng.chance(0.6) && calls.size() < 6) calls.push_back(call("read", {}, random_subset(rng, elements)));
    while (rng.chance(0.3) && calls.size() < 7)
      calls.push_back(call("contains", rng.between(0, elements - 1), rng.chance(0.5)));
    const Items items = scatter(calls, rng, 0.15);
    const auto found = monitor_set(items, {});
    expect_same(Set{}, items, found, round);
    if (HasFatalFailure()) return;
    valid += found->kind == VerdictKind::valid;
  }
  EXPECT_GT(valid, 3'000U);
  EXPECT_LT(valid, 27'000U);
}

}  // namespace
}  // namespace faultline
