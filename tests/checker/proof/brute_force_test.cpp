#include "checker/proof/brute_force.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <faultline/rng.hpp>

namespace faultline {
namespace {

// A register of one integer, initially 0; the smallest model that can be wrong.
struct Cell {
  using State = std::int64_t;
  State init() const { return 0; }
  std::optional<State> step(const State& state, const Call& call) const {
    if (call.f == "write") return call.input.as_integer();
    if (call.result_known && call.output != Value(state)) return std::nullopt;
    return state;
  }
  bool equal(const State& a, const State& b) const { return a == b; }
};

Item write(EventIndex invoked, EventIndex completed, int value) {
  return {0, invoked, completed, {"write", value, value, completed != none}};
}
Item read(EventIndex invoked, EventIndex completed, int value) {
  return {0, invoked, completed, {"read", {}, value, completed != none}};
}

TEST(BruteForce, NothingToPlaceIsValid) { EXPECT_EQ(brute_force(Cell{}, {}).kind, VerdictKind::valid); }

TEST(BruteForce, StaleReadAfterCompletedWriteIsInvalid) {
  const Items items{write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)};
  const auto result = brute_force(Cell{}, items);
  EXPECT_EQ(result.kind, VerdictKind::invalid);
  EXPECT_EQ(result.order, (std::vector<std::uint32_t>{0, 1})) << "the longest legal prefix";
}

TEST(BruteForce, ReadThatTouchesTheWriteMayComeBeforeIt) {
  const Items items{write(0, 2, 1), read(1, 3, 0)};
  const auto result = brute_force(Cell{}, items);
  EXPECT_EQ(result.kind, VerdictKind::valid);
  EXPECT_EQ(result.order, (std::vector<std::uint32_t>{1, 0}));
}

TEST(BruteForce, OpenWriteMayHappenMuchLaterOrNever) {
  EXPECT_EQ(brute_force(Cell{}, {write(0, none, 1), read(1, 2, 0), read(3, 4, 1)}).kind, VerdictKind::valid);
  EXPECT_EQ(brute_force(Cell{}, {write(0, none, 1), read(1, 2, 0), read(3, 4, 0)}).kind, VerdictKind::valid);
  EXPECT_EQ(brute_force(Cell{}, {write(0, none, 1), read(1, 2, 1), read(3, 4, 0)}).kind, VerdictKind::invalid);
}

TEST(BruteForce, RunningOutOfStepsIsUnknownAndNeverAnAnswer) {
  const Items items{write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)};
  EXPECT_EQ(brute_force(Cell{}, items, 2).kind, VerdictKind::unknown);
  EXPECT_EQ(brute_force_with_memo(Cell{}, items, 2).kind, VerdictKind::unknown);
}

TEST(BruteForce, TheLongestPrefixUsesNoOpenOperationItDoesNotNeed) {
  const Items items{write(0, none, 7), write(1, 2, 1), read(3, 4, 9)};
  EXPECT_EQ(brute_force(Cell{}, items).order, (std::vector<std::uint32_t>{1}));
}

TEST(BruteForce, MemoNeverChangesVerdictNorPrefix) {
  Rng rng(1);
  int invalid = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto n = static_cast<EventIndex>(rng.between(1, 6));
    std::vector<EventIndex> events;
    for (EventIndex i = 0; i < 2 * n; ++i) events.push_back(i);
    rng.shuffle(std::span(events));
    Items items;
    for (EventIndex i = 0; i < n; ++i) {
      const auto [from, to] = std::minmax(events[2 * i], events[2 * i + 1]);
      const EventIndex completed = rng.chance(0.2) ? none : to;
      const int value = static_cast<int>(rng.between(0, 2));
      items.push_back(rng.chance(0.5) ? write(from, completed, value) : read(from, completed, value));
    }
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
    const auto plain = brute_force(Cell{}, items);
    const auto memo = brute_force_with_memo(Cell{}, items, UINT64_MAX);
    ASSERT_EQ(plain.kind, memo.kind) << "round " << round;
    ASSERT_EQ(plain.order, memo.order) << "round " << round;
    ASSERT_LE(memo.steps, plain.steps);
    invalid += plain.kind == VerdictKind::invalid;
  }
  EXPECT_GT(invalid, 300) << "the generator must produce both verdicts";
  EXPECT_LT(invalid, 2700);
}

}  // namespace
}  // namespace faultline
