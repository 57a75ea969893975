// The monitor of stacks against trying all orders, and on long histories whose verdict is built in.
#include <faultline/checker.hpp>

#include <gtest/gtest.h>

#include "checker/monitors/monitor.hpp"
#include "containers.hpp"

namespace faultline::containers {
namespace {

Call push(Value value) { return {.f = "push", .input = std::move(value), .output = {}, .result_known = true}; }
Call pop(Value result) { return {.f = "pop", .input = {}, .output = std::move(result), .result_known = true}; }

Item item(EventIndex invoked, EventIndex completed, Call call) {
  if (completed == none) call.result_known = false;
  return {.operation = invoked, .invoked = invoked, .completed = completed, .call = std::move(call)};
}

VerdictKind verdict(const Items& items) {
  const auto found = monitor_stack(items, {});
  return found ? found->kind : VerdictKind::unknown;
}

TEST(StackMonitor, AgreesWithTryingAllOrdersOfEverySmallHistory) {
  Tally tally;
  for (const bool open : {false, true}) {
    for_each_small(stack, open ? 3 : 4, open, [&](const Items& items) {
      if (!testing::Test::HasFatalFailure()) expect_truth(stack, items, tally);
    });
  }
  EXPECT_GT(tally.valid, 5'000U);
  EXPECT_GT(tally.invalid, 5'000U);
}

TEST(StackMonitor, AgreesWithTryingAllOrdersOfRandomHistories) {
  Tally tally;
  for (std::uint64_t seed = 0; seed < histories(20'000); ++seed) {
    Rng rng = Rng(seed).fork("stack");
    const double open_pops = rng.chance(0.5) ? 0.15 : 0;
    expect_truth(stack, random_items(stack, rng, 0.1, open_pops), tally);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(tally.valid * 4, tally.invalid);
  EXPECT_GT(tally.invalid * 4, tally.valid);
  EXPECT_LT(tally.declined * 20, tally.valid);
}

TEST(StackMonitor, ATouchedMomentIsShared) {
  // The pop of 1 begins before the push of 2 returns, so it may come first; an event later it may not.
  const Items shared{item(0, 1, push(1)), item(2, 4, push(2)), item(3, 5, pop(1)), item(6, 7, pop(2))};
  const Items apart{item(0, 1, push(1)), item(2, 3, push(2)), item(4, 5, pop(1)), item(6, 7, pop(2))};
  EXPECT_EQ(verdict(shared), VerdictKind::valid);
  EXPECT_EQ(verdict(apart), VerdictKind::invalid);
}

TEST(StackMonitor, NestsWhatSurroundsTheRest) {
  // 1 around 2 around 3, though 2 and 3 are pushed at the same time.
  const Items nested{item(0, 1, push(1)), item(2, 4, push(2)), item(3, 5, push(3)),
                     item(6, 7, pop(3)),  item(8, 9, pop(2)),  item(10, 11, pop(1))};
  const Items crossed{item(0, 1, push(1)), item(2, 4, push(2)), item(3, 5, push(3)),
                      item(6, 7, pop(3)),  item(8, 9, pop(1)),  item(10, 11, pop(2))};
  EXPECT_EQ(verdict(nested), VerdictKind::valid);
  EXPECT_EQ(verdict(crossed), VerdictKind::invalid);
}

TEST(StackMonitor, LeavesRepeatedValuesToOthers) {
  EXPECT_FALSE(monitor_stack({item(0, 1, push(1)), item(2, 3, push(1))}, {}).has_value());
  EXPECT_FALSE(monitor_stack({item(0, 1, push({}))}, {}).has_value());
}

TEST(StackMonitor, AnOpenPopExplainsNeitherTooMuchNorTooLittle) {
  const Items taken{item(0, 1, push(1)), item(2, none, pop({})), item(3, 4, pop({}))};
  const Items not_needed{item(0, 1, push(1)), item(2, none, pop({})), item(3, 4, pop(1))};
  const Items no_help{item(0, 1, push(1)), item(2, 3, push(2)), item(4, none, pop({})), item(5, 6, pop(1)),
                      item(7, 8, pop(2))};
  EXPECT_EQ(verdict(taken), VerdictKind::valid);
  EXPECT_EQ(verdict(not_needed), VerdictKind::valid);
  EXPECT_EQ(verdict(no_help), VerdictKind::invalid);
}

TEST(StackMonitor, AStackThatOnlyGrowsAndShrinksIsPeeledElementByElement) {
  constexpr EventIndex depth = 20'000;
  Items items;
  for (EventIndex i = 0; i < depth; ++i) items.push_back(item(2 * i, 2 * i + 1, push(static_cast<std::int64_t>(i))));
  for (EventIndex i = 0; i < depth; ++i) {
    items.push_back(item(2 * (depth + i), 2 * (depth + i) + 1, pop(static_cast<std::int64_t>(depth - 1 - i))));
  }
  EXPECT_EQ(verdict(items), VerdictKind::valid);
  std::swap(items[depth].call, items[depth + 1].call);
  EXPECT_EQ(verdict(items), VerdictKind::invalid);
}

TEST(StackMonitor, KeepsToItsTime) {
  const History history = by_construction(stack, {.operations = 20'000});
  const Items items = items_of(stack, history);
  const auto found = monitor_stack(items, {.stop = [] { return true; }});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, VerdictKind::unknown);
  EXPECT_EQ(found->reason, "time limit");
}

TEST(StackMonitor, FindsWhatTheGeneralSearchFinds) { expect_what_the_search_finds(stack); }

TEST(StackMonitor, LongHistoriesAreValidByConstruction) { expect_long_ones_valid(stack); }

TEST(StackMonitor, GuessesWhatOpenRemovalsTook) { expect_open_removals_guessed(stack); }

TEST(StackMonitor, PlantedViolationsAreFoundAndProved) { expect_planted_flaws_proved(stack); }

}  // namespace
}  // namespace faultline::containers
