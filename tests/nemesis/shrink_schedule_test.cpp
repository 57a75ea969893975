#include <faultline/shrink_schedule.hpp>

#include <gtest/gtest.h>

#include <bit>

namespace faultline {
namespace {

using namespace std::chrono_literals;

Decision decision(std::uint64_t id, Fault fault = {.kind = "kill", .nodes = {"n1"}, .grudge = {}, .parameters = {}}) {
  return {.id = id, .when = Duration(id * 1s), .lasts = 1s, .fault = std::move(fault)};
}

Scenario scenario(std::size_t decisions) {
  Scenario all{.schedule = {.seed = 1, .decisions = {}}, .sizes = {}, .nodes = {"n1", "n2", "n3"}};
  for (std::size_t id = 1; id <= decisions; ++id) all.schedule.decisions.push_back(decision(id));
  return all;
}

std::uint64_t bits_of(const Scenario& candidate) {
  std::uint64_t bits = 0;
  for (const Decision& d : candidate.schedule.decisions) bits |= std::uint64_t{1} << (d.id - 1);
  return bits;
}

// Fails with every superset of one of these sets.
struct Culprits {
  std::vector<std::uint64_t> sets;
  bool operator()(std::uint64_t bits) const {
    return std::any_of(sets.begin(), sets.end(), [&](std::uint64_t set) { return (bits & set) == set; });
  }
};

// The twin: every subset there is.
std::size_t fewest(const Culprits& fails, std::size_t decisions) {
  std::size_t best = decisions;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << decisions); ++bits) {
    if (fails(bits)) best = std::min(best, static_cast<std::size_t>(std::popcount(bits)));
  }
  return best;
}

bool one_minimal(const Culprits& fails, std::uint64_t bits) {
  for (std::uint64_t left = bits; left != 0; left &= left - 1) {
    if (fails(bits & ~(left & (~left + 1)))) return false;
  }
  return true;
}

TEST(ShrinkSchedule, OneCulpritIsFoundExactlyAsTheExhaustiveTwinFindsIt) {
  Rng rng(1);
  for (int round = 0; round < 300; ++round) {
    const std::size_t count = 1 + rng.below(10);
    const Culprits fails{{rng.below(std::uint64_t{1} << count)}};
    const ShrinkOutcome found = shrink_schedule(scenario(count), [&](const Scenario& s) { return fails(bits_of(s)); });
    EXPECT_EQ(bits_of(found.scenario), fails.sets.front());
    EXPECT_EQ(found.scenario.schedule.decisions.size(), fewest(fails, count));
    EXPECT_EQ(found.removed, count - found.scenario.schedule.decisions.size());
    EXPECT_TRUE(found.minimal);
  }
}

TEST(ShrinkSchedule, WithAnyOracleTheResultFailsAndIsOneMinimal) {
  Rng rng(2);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t count = 1 + rng.below(9);
    const std::uint64_t all = (std::uint64_t{1} << count) - 1;
    // Not monotone: any set of subsets, the whole among them.
    std::vector<bool> fails(all + 1);
    for (std::size_t i = 0; i <= all; ++i) fails[i] = rng.chance(0.3);
    fails[all] = true;
    std::set<std::uint64_t> asked;
    const ShrinkOutcome found = shrink_schedule(scenario(count), [&](const Scenario& s) { return fails[bits_of(s)]; });
    const std::uint64_t bits = bits_of(found.scenario);
    EXPECT_TRUE(fails[bits]);
    for (std::uint64_t left = bits; left != 0; left &= left - 1) EXPECT_FALSE(fails[bits & ~(left & (~left + 1))]);
    EXPECT_TRUE(found.minimal);
  }
}

TEST(ShrinkSchedule, SeveralCulpritsLeaveOneOfThem) {
  Rng rng(3);
  for (int round = 0; round < 200; ++round) {
    Culprits fails;
    for (int i = 0; i < 3; ++i) fails.sets.push_back(1 + rng.below(4095));
    const std::uint64_t bits =
        bits_of(shrink_schedule(scenario(12), [&](const Scenario& s) { return fails(bits_of(s)); }).scenario);
    EXPECT_TRUE(fails(bits));
    EXPECT_TRUE(one_minimal(fails, bits));
  }
}

TEST(ShrinkSchedule, ThreeOfAThousandTakeFewRuns) {
  Scenario large = scenario(1000);
  const ShrinkOutcome found = shrink_schedule(large, [](const Scenario& s) {
    int found_ids = 0;
    for (const Decision& d : s.schedule.decisions) found_ids += d.id == 17 || d.id == 500 || d.id == 983;
    return found_ids == 3;
  });
  EXPECT_EQ(found.scenario.schedule.decisions.size(), 3U);
  EXPECT_LT(found.candidates, 300U);
}

TEST(ShrinkSchedule, NoCandidateIsAskedTwiceAndTheOrderIsFixed) {
  const auto asked = [] {
    std::vector<Value> all;
    Scenario start = scenario(9);
    start.sizes = {{"concurrency", 9, 1}};
    shrink_schedule(start, [&](const Scenario& s) {
      all.push_back(Value::list({to_value(s.schedule), static_cast<std::int64_t>(s.sizes[0].value),
                                 static_cast<std::int64_t>(s.nodes.size())}));
      return (bits_of(s) & 0b100100) == 0b100100 && s.sizes[0].value >= 4;
    });
    return all;
  };
  const std::vector<Value> first = asked();
  EXPECT_EQ(first, asked());
  EXPECT_EQ(std::set<Value>(first.begin(), first.end()).size(), first.size());
}

TEST(ShrinkSchedule, WhatWaitsForAHealLeavesWithIt) {
  Scenario chained = scenario(4);
  chained.schedule.decisions[1].when = EventTrigger{HealTrigger{1}, {}};
  chained.schedule.decisions[2].when = EventTrigger{HealTrigger{2}, {}};
  const ShrinkOutcome found = shrink_schedule(chained, [](const Scenario& s) {
    EXPECT_TRUE(schedule_from_value(to_value(s.schedule), s.nodes).ok()) << to_value(s.schedule).to_string();
    return (bits_of(s) & 0b1000) != 0;
  });
  EXPECT_EQ(bits_of(found.scenario), 0b1000U);
  const ShrinkOutcome whole = shrink_schedule(chained, [](const Scenario& s) { return (bits_of(s) & 0b100) != 0; });
  EXPECT_EQ(bits_of(whole.scenario), 0b111U);  // the third needs the second, which needs the first
}

TEST(ShrinkSchedule, SizesBecomeAsSmallAsTheyCan) {
  Rng rng(4);
  for (int round = 0; round < 100; ++round) {
    Scenario start = scenario(1);
    const std::uint64_t needed = 1 + rng.below(20), more = needed + rng.below(20);
    start.sizes = {{"concurrency", more, 1}, {"keys", 10, 2}};
    const ShrinkOutcome found = shrink_schedule(start, [&](const Scenario& s) { return s.sizes[0].value >= needed; });
    EXPECT_EQ(found.scenario.sizes[0].value, needed);
    EXPECT_EQ(found.scenario.sizes[1].value, 2U);
  }
}

TEST(ShrinkSchedule, NodesLeaveWithEveryMentionOfThem) {
  Scenario start{.schedule = {.seed = 1, .decisions = {}}, .sizes = {}, .nodes = {"n1", "n2", "n3", "n4", "n5"}};
  start.schedule.decisions = {
      decision(1,
               {.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2", "n5"}}, {"n5", {"n1"}}}, .parameters = {}}),
      decision(2, {.kind = "kill", .nodes = {"n4", "n5"}, .grudge = {}, .parameters = {}}),
      decision(3, {.kind = "clog",
                   .nodes = {},
                   .grudge = {},
                   .parameters =
                       Value::map({{"links", Value::list({Value::list({"n1", "n2"}), Value::list({"n5", "n2"})})}})})};
  std::size_t fewest_nodes = 5;
  const ShrinkOutcome found = shrink_schedule(start, [&](const Scenario& s) {
    EXPECT_TRUE(schedule_from_value(to_value(s.schedule), s.nodes).ok()) << to_value(s.schedule).to_string();
    fewest_nodes = std::min(fewest_nodes, s.nodes.size());
    const auto& all = s.schedule.decisions;
    const auto cuts = [](const Decision& d) {
      return d.id == 1 && d.fault.grudge.contains("n1") && d.fault.grudge.at("n1").contains("n2");
    };
    const auto clogs = [](const Decision& d) { return d.id == 3; };
    return std::any_of(all.begin(), all.end(), cuts) && std::any_of(all.begin(), all.end(), clogs);
  });
  EXPECT_EQ(fewest_nodes, 3U);
  EXPECT_EQ(found.scenario.nodes, (Nodes{"n1", "n2", "n3"}));
  ASSERT_EQ(found.scenario.schedule.decisions.size(), 2U);
  EXPECT_EQ(found.scenario.schedule.decisions[0].fault.grudge, (Grudge{{"n1", {"n2"}}}));
  EXPECT_EQ(found.scenario.schedule.decisions[1].fault.parameters.get("links").as_list().size(), 1U);
}

TEST(ShrinkSchedule, FaultsAndTimesBecomeSimpler) {
  Scenario start = scenario(0);
  start.schedule.decisions = {
      {.id = 1,
       .when = Duration(3'141'592'653),
       .lasts = Duration(2'718'281'828),
       .fault = {.kind = "packet",
                 .nodes = {"n1", "n2", "n3"},
                 .grudge = {},
                 .parameters =
                     Value::map({{"target", "random"}, {"loss", 0.5}, {"delay", "20ms"}, {"jitter", "10ms"}})}},
      {.id = 2,
       .when = EventTrigger{RoleTrigger{"leader", "", 7}, 30ms},
       .lasts = 1s,
       .fault = {.kind = "kill", .nodes = {"n2"}, .grudge = {}, .parameters = Value::map({{"disk", "torn"}})}}};
  const ShrinkOutcome found = shrink_schedule(start, [](const Scenario& s) {
    if (s.schedule.decisions.size() != 2) return false;
    const Fault& packet = s.schedule.decisions[0].fault;
    const auto& role = std::get<RoleTrigger>(std::get<EventTrigger>(s.schedule.decisions[1].when).what);
    return std::count(packet.nodes.begin(), packet.nodes.end(), "n2") == 1 &&
           !packet.parameters.get("delay").is_null() && std::get<Duration>(s.schedule.decisions[0].when) > 3s &&
           role.nth >= 3;
  });
  const Decision& packet = found.scenario.schedule.decisions[0];
  EXPECT_EQ(packet.fault.nodes, (std::vector<NodeName>{"n2"}));
  EXPECT_EQ(packet.fault.parameters, Value::map({{"delay", "20ms"}}));
  EXPECT_EQ(std::get<Duration>(packet.when), 3100ms);
  EXPECT_LE(*packet.lasts, 2ms);
  const Decision& kill = found.scenario.schedule.decisions[1];
  EXPECT_EQ(std::get<EventTrigger>(kill.when), (EventTrigger{RoleTrigger{"leader", "", 3}, {}}));
  EXPECT_TRUE(kill.fault.parameters.is_null());
}

TEST(ShrinkSchedule, TheBudgetEndsItAndIsTold) {
  const auto fails = [](const Scenario& s) { return bits_of(s) % 2 == 1; };
  const ShrinkOutcome found = shrink_schedule(scenario(40), fails, {.candidates = 3});
  EXPECT_EQ(found.candidates, 3U);
  EXPECT_FALSE(found.minimal);
  EXPECT_TRUE(fails(found.scenario));
  EXPECT_NE(found.text.find("the budget ended the search"), std::string::npos);
  int polled = 0;
  const ShrinkOutcome stopped = shrink_schedule(scenario(40), fails, {.stop = [&] { return ++polled > 2; }});
  EXPECT_EQ(stopped.candidates, 2U);
  EXPECT_FALSE(stopped.minimal);
}

}  // namespace
}  // namespace faultline
