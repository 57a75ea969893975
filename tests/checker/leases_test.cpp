// Fencing and leases: the models by sentence, and the monitor against trying all orders.
#include <faultline/certificate.hpp>
#include <faultline/checker.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

Call did(std::string_view f, Value input, Value output) {
  return {.f = f, .input = std::move(input), .output = std::move(output), .result_known = true};
}
Call open(std::string_view f, Value input = {}) { return {.f = f, .input = std::move(input), .result_known = false}; }

template <class M>
std::string verdict_of(const M& model, const std::vector<Call>& calls) {
  typename M::State state = model.init();
  for (const Call& call : calls) {
    auto next = model.step(state, call);
    if (!next) return "refused: " + model.explain(state, call);
    state = *next;
  }
  return model.describe(state);
}

Value renewal(std::int64_t from, std::int64_t to, std::int64_t ttl) {
  return Value::map({{"alive", true}, {"from", from}, {"to", to}, {"ttl", ttl}});
}
Value seen(bool alive, std::int64_t from, std::int64_t to) {
  return Value::map({{"alive", alive}, {"from", from}, {"to", to}});
}
Value seen_steadily(std::int64_t from, std::int64_t to, std::int64_t steady) {
  return Value::map({{"alive", true}, {"from", from}, {"to", to}, {"steady", steady}});
}

TEST(Fencing, TwoMayHoldButTokensGrowAndOlderOnesWriteNothing) {
  const Value five = Value::list({5, 1}), six = Value::list({6, 1});
  EXPECT_EQ(verdict_of(Fencing{}, {did("acquire", {}, 5), did("acquire", {}, 6), did("write", six, {})}),
            "last token 6");
  EXPECT_EQ(verdict_of(Fencing{}, {did("acquire", {}, 5), did("acquire", {}, 6), did("write", five, {})}),
            "refused: with token 5 succeeded, but there was last token 6");
  EXPECT_EQ(verdict_of(Fencing{}, {did("acquire", {}, 6), did("acquire", {}, 5)}),
            "refused: got token 5, but there was last token 6");
  EXPECT_EQ(verdict_of(Fencing{}, {did("release", {}, {}), did("acquire", {}, 6)}), "last token 6");
  EXPECT_EQ(verdict_of(Fencing{}, {open("acquire"), did("write", five, {})}), "last token 5");
}

TEST(Lease, LivesAsLongAsItWasPromised) {
  const Call granted = did("grant", {}, renewal(100, 120, 10'000));
  EXPECT_EQ(verdict_of(Lease{}, {granted, did("read", {}, seen(false, 9'000, 9'500))}),
            "refused: found it gone by 9.5 s, but it is alive until 9.9 s at least");
  // A fiftieth is for clocks that run apart.
  EXPECT_EQ(verdict_of(Lease{}, {granted, did("read", {}, seen(false, 9'000, 9'900))}), "gone");
  EXPECT_EQ(verdict_of(Lease{}, {granted, did("keep", {}, renewal(5'000, 5'010, 10'000)),
                                 did("read", {}, seen(false, 12'000, 12'001))}),
            "refused: found it gone by 12 s, but it is alive until 14.8 s at least");
  EXPECT_EQ(verdict_of(Lease{}, {granted, did("keep", {}, seen(false, 100, 5'000))}),
            "refused: found it gone by 5 s, but it is alive until 9.9 s at least");
}

TEST(Lease, StaysGone) {
  const Call granted = did("grant", {}, renewal(0, 10, 1'000));
  const Call gone = did("read", {}, seen(false, 2'000, 2'001));
  EXPECT_EQ(verdict_of(Lease{}, {granted, gone, did("read", {}, seen(true, 2'002, 2'003))}),
            "refused: found it alive, but it is gone");
  EXPECT_EQ(verdict_of(Lease{}, {granted, gone, did("keep", {}, renewal(2'002, 2'003, 1'000))}),
            "refused: kept it alive, but it is gone");
  EXPECT_EQ(verdict_of(Lease{}, {did("read", {}, seen(true, 0, 1))}), "refused: found it alive, but it is not granted");
}

TEST(Lease, EndsInTimeWhereOneLeaderAnsweredAllTheWhile) {
  const Call granted = did("grant", {}, renewal(0, 100, 10'000));
  EXPECT_EQ(verdict_of(Lease{}, {granted, did("read", {}, seen_steadily(15'101, 15'102, 0))}),
            "refused: found it alive after 15.1 s, but its last renewal ended at 10.1 s");
  EXPECT_EQ(verdict_of(Lease{}, {granted, did("read", {}, seen_steadily(15'100, 15'102, 0))}),
            "alive until 9.8 s at least");
  // Nobody saw one leader since; a leader that came later renewed it; nobody knows whether a renewal arrived.
  for (const std::vector<Call>& excused :
       {std::vector{granted, did("read", {}, seen(true, 60'000, 60'001))},
        std::vector{granted, did("read", {}, seen_steadily(60'000, 60'001, 45'000))},
        std::vector{granted, open("keep"), did("read", {}, seen_steadily(60'000, 60'001, 0))}}) {
    EXPECT_EQ(verdict_of(Lease{}, excused), "alive until 9.8 s at least");
  }
}

TEST(Lease, NothingIsKnownOfAGrantThatWasNotAnswered) {
  EXPECT_EQ(verdict_of(Lease{}, {open("grant"), did("read", {}, seen(false, 1, 2))}), "gone");
  EXPECT_EQ(verdict_of(Lease{}, {open("grant"), did("read", {}, seen_steadily(60'000, 60'001, 0))}),
            "granted, nobody knows until when");
}

TEST(Lease, RefusesResultsThatSayNothing) {
  for (const Value& wrong : {Value(1), Value::map({{"alive", true}}), seen(true, 5, 4), seen(true, -1, 4),
                             Value::map({{"alive", 1}, {"from", 1}, {"to", 2}})}) {
    EXPECT_FALSE(fits(Shape::sighting, wrong)) << wrong.to_string();
  }
  EXPECT_FALSE(fits(Shape::renewal, seen(true, 1, 2)));
  EXPECT_TRUE(fits(Shape::renewal, seen(false, 1, 2)));
}

// --- the monitor -------------------------------------------------------------------------------------------

// A few operations with tokens of a small range, some open, in any order of events.
History tiny(Rng& rng) {
  History history;
  const std::size_t operations = 2 + rng.below(5);
  std::vector<OperationIndex> running;
  std::vector<std::string> kinds;
  Process process = 0;
  for (std::size_t started = 0; started < operations || !running.empty();) {
    const bool starts = started < operations && (running.empty() || running.size() < 3) && rng.chance(0.6);
    if (starts || running.empty()) {
      const auto f = rng.below(10) < 5 ? "acquire" : rng.below(5) == 0 ? "release" : "write";
      const Value value = f[0] == 'w' ? Value::list({rng.between(1, 4), 0}) : Value();
      running.push_back(history.invoke(process++, f, value));
      kinds.emplace_back(f);
      ++started;
      continue;
    }
    const std::size_t at = rng.below(running.size());
    const Value result =
        kinds[at] == "acquire" ? Value(rng.between(1, 4)) : history.value(history.invoked(running[at]));
    if (!rng.chance(0.15)) history.ok(running[at], result);
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
    kinds.erase(kinds.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return history;
}

TEST(FencingMonitor, AgreesWithTheGeneralSearch) {
  Rng rng(7);
  std::size_t decided = 0, invalid = 0;
  for (int i = 0; i < 20'000; ++i) {
    const History history = tiny(rng);
    const auto fast = check(history, "fencing", {.engine = "monitor", .explain = false});
    const auto slow = check(history, "fencing", {.engine = "generic", .explain = false});
    ASSERT_TRUE(fast.ok() && slow.ok());
    ASSERT_NE(slow.value().kind, VerdictKind::unknown);
    if (fast.value().kind == VerdictKind::unknown) continue;
    ++decided;
    invalid += slow.value().kind == VerdictKind::invalid;
    ASSERT_EQ(fast.value().kind, slow.value().kind) << "history " << i;
  }
  EXPECT_GT(decided, 5'000U);
  EXPECT_GT(invalid, 1'000U);
  EXPECT_GT(decided - invalid, 1'000U);
}

TEST(FencingMonitor, ItsContradictionsHoldByThemselves) {
  Rng rng(8);
  std::size_t explained = 0;
  for (int i = 0; i < 2'000; ++i) {
    const History history = tiny(rng);
    const auto verdict = check(history, "fencing", {.certify = true});
    ASSERT_TRUE(verdict.ok());
    const auto certificate = make_certificate(history, verdict.value(), {});
    const auto verified = verify(history, certificate);
    ASSERT_TRUE(verified.ok());
    ASSERT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << i << ": " << verified.value().reason;
    explained += verdict.value().kind == VerdictKind::invalid;
  }
  EXPECT_GT(explained, 200U);
}

}  // namespace
}  // namespace faultline
