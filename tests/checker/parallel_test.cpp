// Threads change how long a check takes, and nothing else.
#include <gtest/gtest.h>

#include <atomic>

#include <faultline/checker.hpp>

#include "by_construction.hpp"
#include "checker/parallel.hpp"

namespace faultline::test {
namespace {

// Everything of a verdict that does not measure.
std::string text_of(const Verdict& verdict) {
  std::string text = std::string(to_string(verdict.kind)) + " " + verdict.engine + " " + verdict.reason + "\n";
  for (const KeyVerdict& key : verdict.by_key) {
    text += key.key.to_string() + " " + std::string(to_string(key.kind)) + " " + key.engine + " " +
            std::to_string(key.longest_prefix) + " " + key.reason;
    for (const OperationIndex o : key.order) text += " " + std::to_string(o);
    text += "\n";
  }
  for (const Anomaly& anomaly : verdict.anomalies) text += anomaly.key.to_string() + " " + anomaly.sentence + "\n";
  return text;
}

History with_lies_on_some_keys() {
  History all;
  for (const std::int64_t key : {0, 1, 2, 3, 4, 5, 6, 7}) {
    const Lie lie = key == 3 || key == 5 ? Lie::phantom : Lie::none;
    const History one = by_construction({.model = "cas-register",
                                         .operations = 400,
                                         .clients = 5,
                                         .seed = static_cast<std::uint64_t>(key),
                                         .lie = lie});
    for (EventIndex i = 0; i < one.size(); ++i) {
      Event event = one.event(i);
      event.key = Value(key);
      event.process += key * 1'000;
      EXPECT_TRUE(all.append(std::move(event)).ok());
    }
  }
  return all;
}

TEST(Parallel, VerdictDoesNotDependOnTheNumberOfThreads) {
  const History h = with_lies_on_some_keys();
  for (const bool stop_at_first : {false, true}) {
    std::string expected;
    for (const unsigned threads : {1U, 2U, 3U, 8U}) {
      const auto verdict =
          check(h, "cas-register", {.threads = threads, .stop_at_first = stop_at_first, .certify = true});
      ASSERT_TRUE(verdict.ok());
      EXPECT_EQ(verdict.value().kind, VerdictKind::invalid);
      EXPECT_EQ(verdict.value().by_key[0].key, Value(3));
      if (expected.empty()) expected = text_of(verdict.value());
      EXPECT_EQ(text_of(verdict.value()), expected) << threads << " threads";
    }
  }
}

TEST(Parallel, StopAtFirstLeavesTheKeysBehindIt) {
  const auto verdict = check(with_lies_on_some_keys(), "cas-register", {.threads = 4, .stop_at_first = true});
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.value().anomalies.size(), 1U);
  std::size_t left = 0;
  for (const KeyVerdict& key : verdict.value().by_key) left += key.kind == VerdictKind::unknown;
  EXPECT_EQ(left, 4U);
}

TEST(Parallel, EveryIndexIsWorkedOnOnce) {
  for (const unsigned threads : {0U, 1U, 4U}) {
    std::vector<std::atomic<int>> done(1'000);
    for_each_in_parallel(
        done.size(), threads, [&](std::size_t i) { ++done[i]; }, [] {});
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
}

}  // namespace
}  // namespace faultline::test
