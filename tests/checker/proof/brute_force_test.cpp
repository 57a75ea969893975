#include "checker/proof/brute_force.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <faultline/checker.hpp>
#include <faultline/models.hpp>
#include <faultline/rng.hpp>

#include "checker/prepare.hpp"
#include "tests/checker/tiny.hpp"

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

std::ptrdiff_t completed_in(const Items& items, const std::vector<std::uint32_t>& order) {
  return std::count_if(order.begin(), order.end(), [&](std::uint32_t i) { return items[i].completed != none; });
}

std::ptrdiff_t open_in(const Items& items, const std::vector<std::uint32_t>& order) {
  return static_cast<std::ptrdiff_t>(order.size()) - completed_in(items, order);
}

class BruteForceOf : public testing::TestWithParam<std::string_view> {};

struct Compared {
  int valid = 0, invalid = 0;
};

template <Model M>
void compare(const M& model, std::uint64_t seed, Compared& compared) {
  Rng rng = Rng(seed).fork(M::name);
  const History history = test::tiny_history(M::name, rng, 7);
  const ModelRules rules{.model = M::name, .functions = M::functions(), .accepts = {}, .observer = {}};
  const auto prepared = prepare(history, rules, {.failed_cas = FailedCas::observe});
  ASSERT_TRUE(prepared.ok());
  if (prepared.value().keys.empty()) return;
  Items items = prepared.value().keys[0].items;
  for (Item& item : items) {  // many open operations: that is what the savings are about
    if (item.call.failed || !rng.chance(0.3)) continue;
    item.completed = none;
    item.call.output = {};
    item.call.result_known = false;
  }
  const auto plain = brute_force(model, items);
  const auto memo = brute_force_with_memo(model, items, UINT64_MAX);
  const std::string text = "seed " + std::to_string(seed) + "\n" + test::to_text(history);
  ASSERT_EQ(plain.kind, memo.kind) << text;
  (plain.kind == VerdictKind::invalid ? compared.invalid : compared.valid) += 1;
  if (plain.kind != VerdictKind::invalid) return;
  ASSERT_EQ(completed_in(items, plain.order), completed_in(items, memo.order)) << text;
  ASSERT_EQ(open_in(items, plain.order), open_in(items, memo.order)) << text;
}

TEST_P(BruteForceOf, SavingsNeverChangeVerdictNorLengthOfThePrefix) {
  Compared compared;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto known = with_model(GetParam(), ModelOptions{}, [&](const auto& model) {
      compare(model, seed, compared);
      return true;
    });
    ASSERT_TRUE(known.ok());
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(compared.invalid, 300);
  EXPECT_GT(compared.valid, 300);
}

INSTANTIATE_TEST_SUITE_P(Models, BruteForceOf, testing::ValuesIn(model_names().begin(), model_names().end()),
                         [](const auto& model) {
                           std::string name(model.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace faultline
