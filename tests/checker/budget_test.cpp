// Limits are kept, by every engine and by the check as a whole, and end in `unknown` with the deepest legal prefix.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>

#include <faultline/checker.hpp>

#include "by_construction.hpp"
#include "checker/prepare.hpp"
#include "checker/search/generic.hpp"
#include "oracle.hpp"

namespace faultline::test {
namespace {

using Clock = std::chrono::steady_clock;

// Every order of some concurrent enqueues is possible until the first dequeue, and values repeat so that nothing can be foreseen:
// exponential for everybody. The last dequeue refutes them all.
Items hard_items(std::size_t enqueues) {
  Items items;
  const auto add = [&](EventIndex invoked, EventIndex completed, Call call) {
    items.push_back({.operation = static_cast<OperationIndex>(items.size()),
                     .invoked = invoked,
                     .completed = completed,
                     .call = std::move(call)});
  };
  const auto n = static_cast<EventIndex>(enqueues);
  for (EventIndex i = 0; i < n; ++i) {
    const Value value(static_cast<std::int64_t>(i));
    add(i, n + i, {.f = "enqueue", .input = value, .output = {}, .result_known = true});
  }
  EventIndex at = 2 * n;
  for (const int value : {0, 1}) {  // every value twice: no value tells which enqueue it came from
    for (EventIndex i = 0; i < n; ++i, at += 2) {
      if (value == 1) break;
      add(at, at + 1,
          {.f = "enqueue", .input = Value(static_cast<std::int64_t>(i)), .output = {}, .result_known = true});
    }
  }
  add(at, at + 1, {.f = "dequeue", .input = {}, .output = {}, .result_known = true});
  return items;
}

class Limits : public testing::TestWithParam<GenericEngine> {};

TEST_P(Limits, TimeIsKeptAndThePrefixIsLegal) {
  const Items items = hard_items(40);
  constexpr auto limit = std::chrono::milliseconds(400);
  const auto begin = Clock::now();
  Clock::duration longest{};
  Clock::time_point last = begin;
  const auto stop = [&] {
    const auto now = Clock::now();
    longest = std::max(longest, now - last);
    last = now;
    return now - begin > limit;
  };
  const SearchResult result = search_generic(items, FifoQueue{}, {.stop = stop}, GetParam());
  EXPECT_EQ(result.kind, VerdictKind::unknown);
  EXPECT_EQ(result.reason, "time limit");
  EXPECT_LT(longest, limit);  // polled often, on a busy machine too
  EXPECT_FALSE(result.order.empty());
  EXPECT_TRUE(legal_order(items, FifoQueue{}, result.order, false));
}

TEST_P(Limits, MemoryIsKept) {
  const Items items = hard_items(40);
  constexpr std::uint64_t limit = 24 << 20;
  const SearchResult result = search_generic(items, FifoQueue{}, {.stop = {}, .memory_limit = limit}, GetParam());
  EXPECT_EQ(result.kind, VerdictKind::unknown);
  EXPECT_EQ(result.reason, "memory limit");
  EXPECT_LE(result.cost.peak_bytes, limit + limit / 10);
  EXPECT_TRUE(legal_order(items, FifoQueue{}, result.order, false));
}

INSTANTIATE_TEST_SUITE_P(Engines, Limits, testing::Values(GenericEngine::both, GenericEngine::frontier),
                         [](const auto& instance) {
                           return instance.param == GenericEngine::both ? "both" : "frontier";
                         });

TEST(Limits, TheWholeCheckKeepsItsTimeAndNamesTheBudget) {
  const History h = by_construction({.model = "cas-register", .operations = 4'000, .clients = 60, .info = 0.3});
  const auto begin = Clock::now();
  const auto elapsed = [begin] { return std::chrono::duration_cast<Duration>(Clock::now() - begin); };
  const auto verdict = check(h, "cas-register",
                             {.engine = "frontier", .time_limit = std::chrono::milliseconds(300), .elapsed = elapsed});
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.value().kind, VerdictKind::unknown);
  EXPECT_NE(verdict.value().reason.find("time limit"), std::string::npos) << verdict.value().reason;
  EXPECT_NE(verdict.value().reason.find("legal prefix"), std::string::npos) << verdict.value().reason;
}

// A clock that goes one tick on each time somebody looks: so nothing here depends on the machine.
struct CountedRun {
  Verdict verdict;
  std::int64_t looks_too_many = 0;
};
CountedRun checked_within(const History& h, std::string_view model, std::string_view engine, std::int64_t ticks,
                          unsigned threads = 1) {
  std::atomic<std::int64_t> now{0};
  CheckOptions options{.engine = std::string(engine),
                       .threads = threads,
                       .time_limit = Duration(ticks),
                       .elapsed = [&] { return Duration(++now); },
                       .explain = false};
  auto verdict = check(h, model, options);
  EXPECT_TRUE(verdict.ok());
  return {std::move(verdict).value(), now - ticks};
}

TEST(Limits, EveryEngineStopsSoonAfterItsTimeWhereverItIs) {
  for (const char* model : {"register", "cas-register", "kv", "mutex", "set", "counter", "fifo-queue"}) {
    const History h = by_construction({.model = model, .operations = 3'000, .clients = 20, .info = 0.01});
    for (const char* engine : {"auto", "generic", "frontier", "depth-first", "zones", "monitor"}) {
      for (const std::int64_t ticks : {1, 3, 5, 7, 10, 15, 20, 40, 80}) {
        const CountedRun run = checked_within(h, model, engine, ticks);
        const std::string what = std::string(model) + " " + engine + " " + std::to_string(ticks);
        EXPECT_NE(run.verdict.kind, VerdictKind::invalid) << what;
        if (run.verdict.kind == VerdictKind::valid) continue;
        EXPECT_LE(run.looks_too_many, 12) << what << " goes on after its time";
        const bool cannot = run.verdict.reason.find("time limit") == std::string::npos;
        EXPECT_TRUE(!cannot || run.looks_too_many <= 0 || engine == std::string("zones") ||
                    engine == std::string("monitor"))
            << what << ": " << run.verdict.reason;
      }
    }
  }
}

TEST(Limits, MemoryOfEveryKindOfKeyIsRefusedBeforeItIsTaken) {
  for (const char* model : {"register", "cas-register", "kv", "fifo-queue"}) {
    const History h = by_construction({.model = model, .operations = 3'000, .clients = 20});
    for (const std::uint64_t limit : {std::uint64_t{0}, std::uint64_t{20'000}, std::uint64_t{100'000}}) {
      const auto verdict = check(h, model, {.memory_limit = limit});
      ASSERT_TRUE(verdict.ok());
      EXPECT_LE(verdict.value().cost.peak_bytes, limit + limit / 10) << model;
      if (verdict.value().kind == VerdictKind::valid) continue;
      EXPECT_EQ(verdict.value().kind, VerdictKind::unknown);
      EXPECT_NE(verdict.value().reason.find("memory limit"), std::string::npos) << verdict.value().reason;
    }
  }
}

TEST(Limits, AnUndecidedKeyIsNamedWithItsPrefix) {
  const History h = by_construction({.model = "cas-register", .operations = 20'000, .clients = 20});
  const CountedRun run = checked_within(h, "cas-register", "frontier", 170);
  ASSERT_EQ(run.verdict.kind, VerdictKind::unknown) << run.verdict.reason;
  EXPECT_GT(run.verdict.by_key[0].longest_prefix, 0U);
  EXPECT_LT(run.verdict.by_key[0].longest_prefix, 20'000U);
}

TEST(Limits, CancellingIsNoVerdict) {
  const History h = by_construction({.model = "register", .operations = 2'000});
  const auto verdict = check(h, "register", {.engine = "generic", .cancelled = [] { return true; }});
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.value().kind, VerdictKind::unknown);
  EXPECT_NE(verdict.value().reason.find("interrupted"), std::string::npos) << verdict.value().reason;
}

}  // namespace
}  // namespace faultline::test
