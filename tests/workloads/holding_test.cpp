// Locks, leases and sets against a perfect service in simulated time, and against services with one defect each: what is legal by
// construction is judged legal, at length, and each defect is named.
#include <faultline/checker.hpp>
#include <faultline/workload.hpp>

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "scripted_world.hpp"

namespace faultline {
namespace {

constexpr Worker clients = 10;

struct Defects {
  double unanswered = 0;        // share of operations whose completion is `info`; half of them took effect
  std::optional<Instant> ends;  // every lease ends then, whatever was promised
  Duration late{};              // leases live that much longer
  bool tokens_fall = false;
  std::optional<std::int64_t> loses;  // this element of every set
};

// Takes effect at the moment of the invocation; answers later.
class Service {
 public:
  explicit Service(Defects defects) : defects_(defects) {}

  Reply answer(const Event& event, Instant now, Rng& rng) {
    Reply reply{.latency = Duration(std::chrono::microseconds(rng.between(100, 8000)))};
    const bool lost = rng.chance(defects_.unanswered);
    reply.type = lost ? EventType::info : EventType::ok;
    if (lost && rng.chance(0.5)) return reply;
    if (defects_.ends && now >= *defects_.ends) {
      holders_.clear();
      for (auto& [key, end] : ends_) end = std::min(end, *defects_.ends);
      defects_.ends.reset();
    }
    const Reply done = act(event, now, reply);
    if (!lost) return done;
    // The process is gone, and with it whoever kept its lease alive.
    if (event.f == "acquire" && done.type == EventType::ok) holders_.erase(event.key);
    reply.value = {};
    return reply;
  }

 private:
  Reply act(const Event& event, Instant now, Reply reply) {
    const auto ms = [](Instant at) { return at.time_since_epoch() / 1ms; };
    const auto sighting = [&](bool alive, std::optional<std::int64_t> ttl) {
      const std::int64_t to = ms(now + reply.latency) + 1;
      std::vector<Value::Entry> entries{{"alive", alive}, {"from", ms(now)}, {"to", to}};
      if (ttl) entries.emplace_back("ttl", *ttl);
      if (!ttl) entries.emplace_back("steady", 0);
      return Value::map(std::move(entries));
    };
    const auto lives = [&] { return ends_.contains(event.key) && now < ends_[event.key] + defects_.late; };
    if (event.f == "acquire") return acquire(event, reply);
    if (event.f == "release") {
      const auto holder = holders_.find(event.key);
      if (holder != holders_.end() && holder->second == event.process) holders_.erase(holder);
    } else if (event.f == "write") {
      std::int64_t& newest = newest_[event.key];
      const std::int64_t token = event.value.as_list()[0].as_integer();
      reply.value = event.value;
      if (token < newest) reply.type = EventType::fail;
      newest = std::max(newest, token);
    } else if (event.f == "grant") {
      ttl_ = event.value.as_integer();
      ends_[event.key] = now + std::chrono::milliseconds(ttl_);
      reply.value = sighting(true, ttl_);
    } else if (event.f == "keep") {
      const bool alive = lives();
      if (alive) ends_[event.key] = now + std::chrono::milliseconds(ttl_);
      reply.value = sighting(alive, alive ? std::optional(ttl_) : std::nullopt);
    } else if (event.f == "add") {
      if (defects_.loses != event.value.as_integer()) sets_[event.key].insert(event.value);
    } else if (event.key.as_text().starts_with("s")) {
      reply.value = Value::list(std::vector<Value>(sets_[event.key].begin(), sets_[event.key].end()));
    } else {
      reply.value = sighting(lives(), std::nullopt);
    }
    return reply;
  }

  Reply acquire(const Event& event, Reply reply) {
    if (holders_.contains(event.key)) {
      reply.type = EventType::fail;
      return reply;
    }
    holders_[event.key] = event.process;
    token_ += defects_.tokens_fall && token_ > 20 ? -1 : 1;
    newest_[event.key] = std::max(newest_[event.key], token_);
    reply.value = token_;
    return reply;
  }

  Defects defects_;
  std::map<Value, Process> holders_;
  std::map<Value, std::int64_t> newest_;
  std::map<Value, Instant> ends_;
  std::map<Value, std::set<Value>> sets_;
  std::int64_t token_ = 0;
  std::int64_t ttl_ = 0;
};

History history_of(std::string_view name, Duration duration, Defects defects = {}, double rate = 500) {
  const auto workload = make_workload(name, {.seed = 5, .rate = rate, .ttl = 6s});
  EXPECT_TRUE(workload.ok());
  Service service(defects);
  ScriptedWorld* clock = nullptr;
  ScriptedWorld world([&](const Event& event, Rng& rng) { return service.answer(event, clock->now(), rng); });
  clock = &world;
  RunResult ran = run({.main = on_clients(workload.value().clients), .final = workload.value().final_reads}, world,
                      {.concurrency = clients, .seed = 5, .time_limit = duration});
  EXPECT_FALSE(ran.failure.has_value()) << ran.failure->to_string();
  return std::move(ran.history);
}

Verdict judged(std::string_view workload, const History& history) {
  const auto made = make_workload(workload, {});
  EXPECT_TRUE(made.ok());
  auto verdict = check(history, made.value().info.model);
  EXPECT_TRUE(verdict.ok()) << verdict.error().to_string();
  return verdict ? verdict.value() : Verdict{};
}

std::size_t successes(const History& history, std::string_view f) {
  std::size_t count = 0;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    count += history.outcome(o) == Outcome::ok && history.functions()[history.function(history.invoked(o))] == f;
  }
  return count;
}

TEST(HoldingWorkloads, WhatAPerfectServiceAnswersIsValidHoweverLong) {
  for (const std::string_view name : {"lock", "fenced-lock", "lease", "set"}) {
    for (const double unanswered : {0.0, 0.01}) {
      const History history = history_of(name, 25s, {.unanswered = unanswered});
      EXPECT_GE(history.operation_count(), 10'000U) << name;
      const Verdict verdict = judged(name, history);
      EXPECT_EQ(verdict.kind, VerdictKind::valid) << name << " " << unanswered << ": " << verdict.reason;
    }
  }
}

TEST(HoldingWorkloads, DoWhatTheyAreNamedFor) {
  const History locks = history_of("lock", 40s);
  EXPECT_GE(successes(locks, "acquire"), 20U);
  EXPECT_GE(successes(locks, "release"), 20U);
  EXPECT_GE(successes(history_of("fenced-lock", 40s), "write"), 100U);
  const History leases = history_of("lease", 40s);
  EXPECT_GE(successes(leases, "grant"), 15U);
  EXPECT_GE(successes(leases, "keep"), 15U);
  std::set<Value> ended;
  for (OperationIndex o = 0; o < leases.operation_count(); ++o) {
    if (leases.outcome(o) != Outcome::ok) continue;
    if (leases.value(leases.completed(o)).get("alive") == Value(false)) ended.insert(leases.key(leases.invoked(o)));
  }
  EXPECT_GE(ended.size(), 10U) << "keys that were seen to be gone";
}

TEST(HoldingWorkloads, EverySetIsReadAtTheEnd) {
  const History history = history_of("set", 30s);
  std::map<Value, EventIndex> last_read, last_add;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    const bool reads = history.functions()[history.function(history.invoked(o))] == "read";
    (reads ? last_read : last_add)[history.key(history.invoked(o))] = history.invoked(o);
  }
  EXPECT_GE(last_add.size(), 30U);
  for (const auto& [key, add] : last_add) EXPECT_GT(last_read[key], add) << key.to_string();
}

TEST(HoldingWorkloads, AnElementThatIsNeverSeenIsLost) {
  const Verdict verdict = judged("set", history_of("set", 2s, {.loses = 7}));
  ASSERT_EQ(verdict.kind, VerdictKind::invalid);
  EXPECT_EQ(verdict.anomalies.at(0).name, "lost-element") << verdict.reason;
}

TEST(HoldingWorkloads, LocksThatEndByThemselvesHaveTwoHoldersAndFencedOnesNone) {
  const Defects defects{.ends = Instant(20s)};
  const Verdict bare = judged("lock", history_of("lock", 40s, defects));
  ASSERT_EQ(bare.kind, VerdictKind::invalid);
  EXPECT_EQ(bare.anomalies.at(0).name, "two-holders") << bare.reason;
  const History fenced = history_of("fenced-lock", 40s, defects);
  const Verdict verdict = judged("fenced-lock", fenced);
  EXPECT_EQ(verdict.kind, VerdictKind::valid) << verdict.reason;
}

TEST(HoldingWorkloads, TokensThatFallAreFound) {
  const Verdict verdict = judged("fenced-lock", history_of("fenced-lock", 60s, {.tokens_fall = true}));
  ASSERT_EQ(verdict.kind, VerdictKind::invalid);
  EXPECT_TRUE(verdict.anomalies.at(0).name == "decreasing-token" || verdict.anomalies.at(0).name == "stale-token" ||
              verdict.anomalies.at(0).name == "duplicate")
      << verdict.reason;
}

TEST(HoldingWorkloads, ALeaseThatEndsTooEarlyOrTooLateIsFound) {
  const Verdict early = judged("lease", history_of("lease", 30s, {.ends = Instant(15s)}));
  ASSERT_EQ(early.kind, VerdictKind::invalid);
  EXPECT_EQ(early.anomalies.at(0).name, "expired-early") << early.reason;
  const Verdict late = judged("lease", history_of("lease", 60s, {.late = 8s}));
  ASSERT_EQ(late.kind, VerdictKind::invalid);
  EXPECT_EQ(late.anomalies.at(0).name, "outlived") << late.reason;
  EXPECT_EQ(judged("lease", history_of("lease", 60s, {.late = 4s})).kind, VerdictKind::valid);
}

TEST(HoldingWorkloads, RefuseATimeToLiveThatIsNone) {
  const auto refused = make_workload("lock", {.ttl = 10ms});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().to_string(), "ttl = 10 ms is out of range\n  choose 1s to 1h");
}

}  // namespace
}  // namespace faultline
