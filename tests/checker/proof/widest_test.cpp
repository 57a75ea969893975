#include <gtest/gtest.h>

#include <faultline/checker.hpp>

namespace faultline {
namespace {

Instant at(std::int64_t milliseconds) { return Instant(std::chrono::milliseconds(milliseconds)); }

// Writes 1 and 2 one after the other, then a read of 1 that begins `gap` later.
void stale_read(History& h, std::int64_t begin, int old_value, int new_value, std::int64_t gap) {
  const auto a = h.invoke(0, "write", old_value, {}, at(begin));
  h.ok(a, {}, at(begin + 1));
  const auto b = h.invoke(0, "write", new_value, {}, at(begin + 2));
  h.ok(b, {}, at(begin + 3));
  const auto r = h.invoke(1, "read", {}, {}, at(begin + 3 + gap));
  h.ok(r, old_value, at(begin + 4 + gap));
}

TEST(WidestStaleRead, IsTheOneThatIsShown) {
  History h;
  stale_read(h, 0, 1, 2, 1);
  stale_read(h, 100, 3, 4, 500);
  stale_read(h, 1000, 5, 6, 20);
  const auto verdict = check(h, "register");
  ASSERT_TRUE(verdict.ok());
  ASSERT_EQ(verdict.value().anomalies.size(), 1U);
  const Anomaly& anomaly = verdict.value().anomalies.front();
  EXPECT_EQ(anomaly.name, "stale-read");
  EXPECT_EQ(anomaly.core, (std::vector<OperationIndex>{3, 4, 5}));
  EXPECT_EQ(anomaly.gap, std::chrono::milliseconds(500));
  EXPECT_TRUE(anomaly.one_minimal);
}

TEST(WidestStaleRead, OfAValueWrittenTwiceIsNoProof) {
  History h;
  const auto twice = h.invoke(2, "write", 1, {}, at(0));
  h.info(twice, {}, at(1));
  stale_read(h, 10, 1, 2, 500);  // legal: the open write of 1 may have come late
  stale_read(h, 1000, 5, 6, 20);
  const auto verdict = check(h, "register");
  ASSERT_TRUE(verdict.ok());
  ASSERT_EQ(verdict.value().kind, VerdictKind::invalid);
  EXPECT_EQ(verdict.value().anomalies.front().gap, std::chrono::milliseconds(20));
}

}  // namespace
}  // namespace faultline
