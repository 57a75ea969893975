// The monitor of priority queues against trying all orders, and on long histories whose verdict is built in.
#include <gtest/gtest.h>

#include <algorithm>

#include "checker/monitors/monitor.hpp"
#include "containers.hpp"

namespace faultline::containers {
namespace {

Call enqueue(Value value) { return {.f = "enqueue", .input = std::move(value), .output = {}, .result_known = true}; }
Call dequeue(Value result) { return {.f = "dequeue", .input = {}, .output = std::move(result), .result_known = true}; }

Item item(EventIndex invoked, EventIndex completed, Call call) {
  if (completed == none) call.result_known = false;
  return {.operation = invoked, .invoked = invoked, .completed = completed, .call = std::move(call)};
}

VerdictKind verdict(const Items& items) {
  const auto found = monitor_priority_queue(items, {});
  return found ? found->kind : VerdictKind::unknown;
}

TEST(PriorityQueueMonitor, AgreesWithTryingAllOrdersOfEverySmallHistory) {
  Tally tally;
  for (const bool open : {false, true}) {
    for_each_small(priority_queue, open ? 3 : 4, open, [&](const Items& items) {
      if (!testing::Test::HasFatalFailure()) expect_truth(priority_queue, items, tally);
    });
  }
  EXPECT_GT(tally.valid, 5'000U);
  EXPECT_GT(tally.invalid, 5'000U);
}

TEST(PriorityQueueMonitor, AgreesWithTryingAllOrdersOfRandomHistories) {
  Tally tally;
  for (std::uint64_t seed = 0; seed < histories(20'000); ++seed) {
    Rng rng = Rng(seed).fork("priority-queue");
    const double open_dequeues = rng.chance(0.5) ? 0.15 : 0;
    expect_truth(priority_queue, random_items(priority_queue, rng, 0.1, open_dequeues), tally);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(tally.valid * 4, tally.invalid);
  EXPECT_GT(tally.invalid * 4, tally.valid);
  EXPECT_LT(tally.declined * 10, tally.valid);
}

TEST(PriorityQueueMonitor, TheGreatestThatIsSurelyInsideGoesFirst) {
  const Items touching{item(0, 1, enqueue(1)), item(2, 4, enqueue(2)), item(3, 5, dequeue(1)), item(6, 7, dequeue(2))};
  const Items apart{item(0, 1, enqueue(1)), item(2, 3, enqueue(2)), item(4, 5, dequeue(1)), item(6, 7, dequeue(2))};
  EXPECT_EQ(verdict(touching), VerdictKind::valid);
  EXPECT_EQ(verdict(apart), VerdictKind::invalid);
}

TEST(PriorityQueueMonitor, WhoIsHeldUpHoldsUpOthers) {
  // 3 is inside until 5 begins to be dequeued at 9, so 2, whose dequeue ends at 8, comes too early; were 5 gone by 7, all could go.
  const auto history = [](EventIndex begin, EventIndex two, EventIndex end) {
    Items items{item(0, 1, enqueue(5)),  item(2, 3, enqueue(3)),      item(4, 5, enqueue(2)),
                item(6, 11, dequeue(3)), item(begin, 10, dequeue(5)), item(two, end, dequeue(2))};
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
    return items;
  };
  EXPECT_EQ(verdict(history(9, 7, 8)), VerdictKind::invalid);
  EXPECT_EQ(verdict(history(7, 8, 9)), VerdictKind::valid);
}

TEST(PriorityQueueMonitor, PrioritiesOfMixedKindsAreComparedBySize) {
  const Items items{item(0, 1, enqueue(2)), item(2, 3, enqueue(1.5)), item(4, 5, dequeue(2)), item(6, 7, dequeue(1.5))};
  EXPECT_EQ(verdict(items), VerdictKind::valid);
}

TEST(PriorityQueueMonitor, LeavesRepeatedValuesToOthers) {
  EXPECT_FALSE(monitor_priority_queue({item(0, 1, enqueue(1)), item(2, 3, enqueue(1))}, {}).has_value());
}

TEST(PriorityQueueMonitor, KeepsToItsTime) {
  const History history = by_construction(priority_queue, {.operations = 20'000});
  const Items items = items_of(priority_queue, history);
  const auto found = monitor_priority_queue(items, {.stop = [] { return true; }});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, VerdictKind::unknown);
  EXPECT_EQ(found->reason, "time limit");
}

TEST(PriorityQueueMonitor, FindsWhatTheGeneralSearchFinds) { expect_what_the_search_finds(priority_queue); }

TEST(PriorityQueueMonitor, LongHistoriesAreValidByConstruction) { expect_long_ones_valid(priority_queue); }

TEST(PriorityQueueMonitor, GuessesWhatOpenRemovalsTook) { expect_open_removals_guessed(priority_queue); }

TEST(PriorityQueueMonitor, PlantedViolationsAreFoundAndProved) { expect_planted_flaws_proved(priority_queue); }

}  // namespace
}  // namespace faultline::containers
