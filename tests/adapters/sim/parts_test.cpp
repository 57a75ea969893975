// Queue, clocks, work, globs, options: the small parts.
#include <gtest/gtest.h>

#include <adapters/sim/clock.hpp>
#include <adapters/sim/plan.hpp>
#include <adapters/sim/queue.hpp>

#include <faultline/sim/options.hpp>

#include <map>
#include <memory>

namespace faultline::sim {
namespace {

using namespace std::chrono_literals;

constexpr Ticks second = 1'000'000'000;

// --- queue -------------------------------------------------------------------------------------------------------------------

// Times close together and far apart, down to the queue's own way to divide time: within a bucket, within the ring of buckets, beyond it.
TEST(EventQueue, GivesEventsInTheOrderOfTimeAndThenOfTheirComing) {
  Rng rng(1);
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t spread = std::uint64_t{20} << (round % 8 * 5);  // up to minutes
    Ticks now = 0;
    EventQueue queue;
    std::multimap<Ticks, std::uint64_t> twin;  // keeps equal keys in the order of insertion
    for (std::uint64_t n = 0; n < 400; ++n) {
      if (twin.empty() || rng.chance(0.6)) {
        const Ticks time = now + static_cast<Ticks>(rng.below(rng.chance(0.5) ? 20 : spread));
        Item item;
        item.id = n;
        queue.push(time, std::move(item));
        twin.emplace(time, n);
      } else {
        ASSERT_EQ(queue.next_time(), twin.begin()->first);
        const std::uint32_t slot = queue.pop();
        ASSERT_EQ(queue.at(slot).id, twin.begin()->second);
        queue.release(slot);
        now = twin.begin()->first;
        twin.erase(twin.begin());
      }
      ASSERT_EQ(queue.is_empty(), twin.empty());
    }
  }
}

TEST(EventQueue, ForgettingTheWorkOfANodeEndsItsClosuresOnly) {
  EventQueue queue;
  const auto token = std::make_shared<int>(1);
  for (const std::uint32_t node : {0U, 1U}) {
    Item item;
    item.kind = Item::Kind::work;
    item.node = node;
    item.work = [token] {};
    queue.push(5, std::move(item));
  }
  EXPECT_EQ(token.use_count(), 3);
  queue.forget_work(0);
  EXPECT_EQ(token.use_count(), 2);
  EXPECT_FALSE(queue.at(queue.pop()).work);
  EXPECT_TRUE(queue.at(queue.pop()).work);
}

TEST(Work, OwnsWhatCannotBeCopiedSmallOrLarge) {
  int calls = 0;
  const auto token = std::make_shared<int>(1);
  {
    Work small([&calls, owned = std::make_unique<int>(2), token] { calls += *owned; });
    Work large([&calls, token, padding = std::array<char, 200>{}] { calls += 10 + padding[7]; });
    static_assert(sizeof(Work) <= 80);
    Work moved = std::move(small);
    EXPECT_FALSE(small);  // NOLINT: says what it is after a move
    moved();
    large();
    moved = std::move(large);
    moved();
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(calls, 22);
  EXPECT_EQ(token.use_count(), 1);
}

// --- clocks ------------------------------------------------------------------------------------------------------------------

TEST(Clock, RunsAtItsRateAndTellsWhenItWillReadSoMuch) {
  const VirtualClock clock(100, rate_of_drift(50));
  EXPECT_EQ(clock.read(0), 100);
  EXPECT_NEAR(static_cast<double>(clock.read(second)), 1'000'050'100, 2);
  EXPECT_NEAR(static_cast<double>(clock.when(1'000'050'100, 0)), second, 2);
  EXPECT_EQ(clock.when(50, 7), 7);
}

TEST(Clock, NeverFallsUnderRatesFreezesAndForwardJumps) {
  Rng rng(2);
  for (int round = 0; round < 300; ++round) {
    VirtualClock clock(rng.between(0, second), rate_of_drift(rng.between(-200, 200)));
    Ticks now = 0, last = clock.read(0);
    for (int step = 0; step < 100; ++step) {
      now += static_cast<Ticks>(rng.below(second));
      ASSERT_GE(clock.read(now), last);
      last = clock.read(now);
      const std::uint64_t what = rng.below(5);
      if (what == 0) clock.run_at(now, rate_of_factor(0.3));
      if (what == 1) clock.freeze(now);
      if (what == 2) clock.steady(now);
      if (what == 3) clock.jump(now, static_cast<Ticks>(rng.below(second)));
      if (what == 4) clock.run_at(now, rate_of_factor(7));
      ASSERT_GE(clock.read(now), last);
      last = clock.read(now);
    }
  }
}

TEST(Clock, WhenIsTheFirstTimeItReadsSoMuch) {
  Rng rng(3);
  for (int round = 0; round < 20'000; ++round) {
    VirtualClock clock(rng.between(-1000, 1000), rate_of_drift(rng.between(-200, 200)));
    if (rng.chance(0.5)) clock.run_at(10, rate_of_factor(static_cast<double>(rng.below(40)) / 10));
    if (rng.chance(0.1)) clock.freeze(20);
    const Ticks now = 50;
    const Ticks own = clock.read(now) + rng.between(-100, 5000);
    const Ticks at = clock.when(own, now);
    if (at == never) {
      ASSERT_LT(clock.read(now + second), own);
      continue;
    }
    ASSERT_GE(clock.read(at), own);
    ASSERT_TRUE(at == now || clock.read(at - 1) < own);
  }
}

TEST(Clock, AskingWhenOfAStrobingClockAgainAndAgainComesToAnEnd) {
  Rng rng(4);
  for (int round = 0; round < 2000; ++round) {
    VirtualClock clock(0, real_time);
    clock.strobe(0, rng.between(-300, 300), 1 + static_cast<Ticks>(rng.below(100)));
    const Ticks own = rng.between(0, 2000);
    Ticks at = 0;
    int asked = 0;
    for (; clock.read(at) < own; ++asked) {
      const Ticks next = clock.when(own, at);
      ASSERT_GT(next, at);
      at = next;
    }
    // The dumb twin looks at every tick.
    Ticks first = 0;
    while (clock.read(first) < own) ++first;
    ASSERT_EQ(at, first);
  }
}

TEST(Clock, StrobesInEveryOtherPeriodAndIsRightAgainWhenCorrected) {
  VirtualClock clock(5, real_time);
  clock.strobe(100, 1000, 10);
  EXPECT_EQ(clock.skew(105), 0);
  EXPECT_EQ(clock.skew(115), 1000);
  EXPECT_EQ(clock.skew(125), 0);
  clock.correct(115);
  EXPECT_EQ(clock.skew(115), 0);
  EXPECT_EQ(clock.read(200), 205);
}

// --- globs -------------------------------------------------------------------------------------------------------------------

TEST(Glob, MatchesWholePaths) {
  EXPECT_TRUE(matches("", "anything"));
  EXPECT_TRUE(matches("wal/*", "wal/3"));
  EXPECT_TRUE(matches("*/3", "wal/3"));
  EXPECT_TRUE(matches("w?l/*", "wal/0001.log"));
  EXPECT_TRUE(matches("*a*b*", "xaxxbx"));
  EXPECT_FALSE(matches("wal/*", "snap/3"));
  EXPECT_FALSE(matches("wal", "wal/3"));
  EXPECT_FALSE(matches("?", ""));
}

// --- options -----------------------------------------------------------------------------------------------------------------

TEST(Options, AreReadBackAsTheyWerePrinted) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const SimOptions drawn = draw_options(seed == 0 ? UINT64_MAX : seed, 3 + seed % 5, seed % 2, 1 + seed % 7);
    const auto read = options_from_value(to_value(drawn));
    ASSERT_TRUE(read) << read.error().to_string();
    ASSERT_EQ(read.value(), drawn);
  }
}

TEST(Options, DrawsDiffer) {
  const SimOptions a = draw_options(1, 3, 0, 5), b = draw_options(2, 3, 0, 5);
  EXPECT_NE(a.network, b.network);
  EXPECT_EQ(a, draw_options(1, 3, 0, 5));
}

TEST(Options, RefuseWhatTheyDoNotKnow) {
  const auto refused = [](Value value) {
    const auto read = options_from_value(value);
    return read ? std::string("accepted") : read.error().message;
  };
  EXPECT_EQ(refused(Value::map({{"sped", 1}})), "unknown option of the simulator: 'sped'");
  EXPECT_EQ(refused(Value::map({{"network", Value::map({{"latency", "1ms"}})}})),
            "unknown option of the simulator: 'latency'");
  EXPECT_EQ(refused(Value::map({{"disk", Value::map({{"latency", 5}})}})),
            "option 'latency' of the simulator cannot be 5");
  EXPECT_EQ(refused(Value::map({{"nodes", Value::list({"n1", "n1"})}})),
            "two nodes of the simulator have the same name");
  EXPECT_EQ(refused(Value::map({{"concurrency", 0}})), "the simulator needs at least one node and one client");
}

}  // namespace
}  // namespace faultline::sim
