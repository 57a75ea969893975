// Single claims about the register engines, each by a history of a few lines.
#include <gtest/gtest.h>

#include "engines.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline {
namespace {

Value pair(int from, int to) { return Value::list({from, to}); }

SearchResult check(const History& history, RegisterEngine engine = RegisterEngine::automatic) {
  const RegisterProblem problem = compile(history, {.initial = 0, .failed_cas = FailedCas::observe});
  const SearchResult result = search_register(problem, {}, engine);
  EXPECT_EQ(oracle::check_order(problem, result.order, result.kind == VerdictKind::valid), "");
  EXPECT_EQ(result.kind == VerdictKind::valid, oracle::linearizable(problem));
  return result;
}

TEST(Register, StaleReadAfterCompletedWriteIsInvalid) {
  History h;
  h.ok(h.invoke(0, "write", 1));
  const auto r = h.invoke(1, "read");
  h.ok(r, 0);
  const SearchResult result = check(h);
  EXPECT_EQ(result.kind, VerdictKind::invalid);
  EXPECT_EQ(result.died_at, h.completed(r));
  EXPECT_EQ(result.order, std::vector<std::uint32_t>{0});
}

TEST(Register, OperationsThatTouchOverlap) {
  // The write is invoked right before the read completes: they overlap by nothing but that.
  History h;
  const auto r = h.invoke(0, "read");
  const auto w = h.invoke(1, "write", 1);
  h.ok(r, 1);
  h.ok(w);
  for (const auto engine : {RegisterEngine::zones, RegisterEngine::frontier, RegisterEngine::depth_first}) {
    EXPECT_EQ(check(h, engine).kind, VerdictKind::valid);
  }
}

TEST(Register, AReadMayTakeEffectBeforeAWriteThatEndedEarlier) {
  History fine;
  const auto w = fine.invoke(0, "write", 1);
  const auto r = fine.invoke(1, "read");
  fine.ok(w);
  fine.ok(r, 0);
  fine.ok(fine.invoke(0, "write", 2));
  fine.ok(fine.invoke(1, "read"), 2);
  EXPECT_EQ(check(fine).kind, VerdictKind::valid);
}

TEST(Register, AWriteThatNeverReturnedMayBeSeenAnyTimeLater) {
  History h;
  h.info(h.invoke(0, "write", 1));
  h.ok(h.invoke(1, "read"), 0);
  h.ok(h.invoke(1, "write", 2));
  h.ok(h.invoke(1, "read"), 1);
  EXPECT_EQ(check(h).kind, VerdictKind::valid);
  h.ok(h.invoke(1, "write", 2));
  h.ok(h.invoke(1, "read"), 1);
  EXPECT_EQ(check(h).kind, VerdictKind::invalid) << "it happens once at most";
}

TEST(Register, AFailedCasIsAnObservation) {
  History h;
  h.fail(h.invoke(0, "cas", pair(0, 1)));
  EXPECT_EQ(check(h).kind, VerdictKind::invalid);
  EXPECT_EQ(search_register(compile(h, {.initial = 0}), {}).kind, VerdictKind::valid) << "unless it is dropped";
}

TEST(Register, ACasThatChangesNothingIsARead) {
  History h;
  h.ok(h.invoke(0, "cas", pair(0, 0)));
  h.ok(h.invoke(0, "cas", pair(0, 1)));
  h.info(h.invoke(1, "cas", pair(1, 1)));
  h.ok(h.invoke(0, "read"), 1);
  EXPECT_EQ(check(h).kind, VerdictKind::valid);
  h.ok(h.invoke(0, "cas", pair(0, 0)));
  EXPECT_EQ(check(h).kind, VerdictKind::invalid);
}

// The first version of the gap forgot that storing the value already held is worth doing: the chain of cas that explains the
// second write comes before it.
TEST(Register, AWriteOfTheValueHeldMakesRoomBeforeIt) {
  History h;
  h.ok(h.invoke(0, "write", 1));
  const auto c = h.invoke(1, "cas", pair(1, 0));
  const auto w = h.invoke(2, "write", 1);
  h.ok(w);
  h.ok(c);
  h.ok(h.invoke(0, "read"), 1);
  EXPECT_EQ(check(h).kind, VerdictKind::valid);
}

TEST(Register, ItemsAndColumnsCompileAlike) {
  const History history = synthetic::history({.operations = 500, .clients = 8, .info = 0.05, .seed = 3});
  const RegisterProblem columns = compile(history, {.initial = {}, .failed_cas = FailedCas::observe});
  Items items;
  for (const RegisterOperation& op : columns.operations) {
    const Operation o = history.operation(op.operation);
    items.push_back({.operation = op.operation,
                     .invoked = op.invoked,
                     .completed = op.completed,
                     .call = {.f = history.functions()[history.function(op.invoked)],
                              .input = o.input,
                              .output = o.output,
                              .result_known = !op.open(),
                              .failed = o.outcome == Outcome::fail}});
  }
  const RegisterProblem other = compile(items, Value());
  ASSERT_EQ(other.operations.size(), columns.operations.size());
  for (std::size_t i = 0; i < other.operations.size(); ++i) {
    EXPECT_EQ(other.operations[i].kind, columns.operations[i].kind);
    EXPECT_EQ(other.operations[i].completed, columns.operations[i].completed);
  }
  EXPECT_EQ(search_register(items, Value(), {}).order, search_register(columns, {}).order);
}

TEST(Register, AnEmptyProblemIsValid) {
  EXPECT_EQ(search_register(RegisterProblem(), {}).kind, VerdictKind::valid);
  EXPECT_EQ(search_register(RegisterProblem(), {}, RegisterEngine::frontier).kind, VerdictKind::valid);
}

TEST(Register, TheSameProblemGetsTheSameAnswerTwice) {
  const RegisterProblem problem = compile(synthetic::history({.operations = 2'000, .clients = 30, .info = 0.02}),
                                          {.initial = {}, .failed_cas = FailedCas::observe});
  const SearchResult first = search_register(problem, {});
  const SearchResult second = search_register(problem, {});
  EXPECT_EQ(first.order, second.order);
  EXPECT_EQ(first.cost.configurations, second.cost.configurations);
}

class RegisterBudget : public testing::TestWithParam<RegisterEngine> {};

TEST_P(RegisterBudget, StopsWithinAThousandStepsAndShowsALegalBeginning) {
  const RegisterProblem problem = compile(synthetic::history({.operations = 20'000, .clients = 30}),
                                          {.initial = {}, .failed_cas = FailedCas::observe});
  // Laying out the events takes some 40 polls; then the search begins.
  for (const std::uint64_t until : {1U, 10U, 30U, 39U, 45U, 50U, 60U}) {
    std::uint64_t polls = 0;
    const SearchResult result = search_register(
        problem, {.stop = [&] { return ++polls > until; }, .why = [] { return "interrupted"; }}, GetParam());
    EXPECT_EQ(result.kind, VerdictKind::unknown);
    EXPECT_EQ(result.reason, "interrupted");
    EXPECT_LE(polls, until + 3) << "it goes on after it was told to stop";
    EXPECT_EQ(result.order.empty(), until < 45U);
    EXPECT_EQ(result.prefix == 0, until < 45U);
    EXPECT_EQ(oracle::check_order(problem, result.order, false), "");
  }
}

TEST_P(RegisterBudget, EndsAsUnknownWhenMemoryIsSpent) {
  const RegisterProblem problem = compile(synthetic::history({.operations = 5'000, .clients = 30}),
                                          {.initial = {}, .failed_cas = FailedCas::observe});
  const SearchResult result = search_register(problem, {.stop = {}, .memory_limit = 1'000}, GetParam());
  EXPECT_EQ(result.kind, VerdictKind::unknown);
  EXPECT_EQ(result.reason, "memory limit");
}

INSTANTIATE_TEST_SUITE_P(Engines, RegisterBudget,
                         testing::Values(RegisterEngine::automatic, RegisterEngine::frontier,
                                         RegisterEngine::depth_first));

TEST(Zones, RefuseValuesStoredTwiceAndTheInitialOne) {
  History twice;
  twice.ok(twice.invoke(0, "write", 1));
  twice.ok(twice.invoke(0, "write", 1));
  EXPECT_FALSE(zones_apply(compile(twice, {.initial = 0})));
  History again;
  again.ok(again.invoke(0, "write", 0));
  EXPECT_FALSE(zones_apply(compile(again, {.initial = 0})));
}

TEST(Zones, TwoCasLeavingOneValueAreInvalid) {
  History h;
  const auto a = h.invoke(0, "cas", pair(0, 1));
  const auto b = h.invoke(1, "cas", pair(0, 2));
  h.ok(a);
  h.ok(b);
  EXPECT_EQ(check(h, RegisterEngine::zones).kind, VerdictKind::invalid);
}

TEST(Zones, ARingOfCasIsInvalid) {
  History h;
  const auto a = h.invoke(0, "cas", pair(1, 2));
  const auto b = h.invoke(1, "cas", pair(2, 1));
  h.ok(a);
  h.ok(b);
  EXPECT_EQ(check(h, RegisterEngine::zones).kind, VerdictKind::invalid);
}

}  // namespace
}  // namespace faultline
