#include <faultline/formats.hpp>
#include <faultline/story.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

using namespace std::chrono_literals;

Fault fault(std::string_view json) {
  auto read = fault_from_value(parse_json(json).value());
  EXPECT_TRUE(read.ok());
  return std::move(read).value();
}

TEST(Story, EveryKindIsASentence) {
  for (
      const auto& [json, expected] : std::vector<std::pair<std::string_view, std::string_view>>{
          {R"({"kind":"partition","grudge":{"n1":["n2","n3"],"n2":["n1"],"n3":["n1"]}})",
           "n1 is cut off from n2 and n3"},
          {R"({"kind":"partition","grudge":{"n2":["n1"]}})", "n2 hears nothing from n1"},
          {R"({"kind":"partition","grudge":{"n1":["n4"],"n2":["n4"],"n3":["n1"],"n4":["n2"]}})",
           "n2 is cut off from n4; n1 hears nothing from n4; n3 hears nothing from n1"},
          {R"({"kind":"partition","grudge":{"n1":["n3"],"n2":["n3"]}})", "n1 and n2 hear nothing from n3"},
          {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"mono","change":"rate","rate":0.30100000000000005}})",
           "the monotonic clock of n1 runs at 0.301 of its rate"},
          {R"({"kind":"partition","grudge":{"n2":["n1"]},"parameters":{"clients":{"n1":["c0","c3"]}}})",
           "n2 hears nothing from n1; clients are cut off: c0 and c3 from n1"},
          {R"({"kind":"partition","parameters":{"shape":"one_way","of":"halves"}})",
           "the network is cut: one_way of halves"},
          {R"({"kind":"kill","nodes":["n2"]})", "n2 is killed"},
          {R"({"kind":"kill","nodes":["n2","n3"],"parameters":{"disk":"lose_unsynced"}})",
           "n2 and n3 lose power; each disk loses what it had not synced"},
          {R"({"kind":"kill","parameters":{"target":"primaries"}})", "the leader is killed"},
          {R"({"kind":"crash_point","nodes":["n1"],"parameters":{"call":"fsync","nth":7,"edge":"before","file":"wal/*"}})",
           "n1 is killed before the 7th fsync from then on of wal/*"},
          {R"({"kind":"pause","nodes":["n1","n2","n3"]})", "n1, n2 and n3 are paused"},
          {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall","change":"jump","by":"-2s"}})",
           "the wall clock of n1 jumps by -2s"},
          {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"mono","change":"rate","rate":0.3}})",
           "the monotonic clock of n1 runs at 0.3 of its rate"},
          {R"({"kind":"packet","nodes":["n1"],"parameters":{"delay":"50ms","loss":0.1}})",
           "packets of n1 are delayed by 50ms and lost with probability 0.1"},
          {R"({"kind":"clog","parameters":{"links":[["n1","n2"]]}})",
           "packets from n1 to n2 are held back, and delivered late"},
          {R"({"kind":"fsync_error","nodes":["n1"],"parameters":{"nth":1}})",
           "the first sync on the disk of n1 fails, and its pages are dropped"},
          {R"({"kind":"bit_flip","nodes":["n1"],"parameters":{"file":"wal/*","bits":2}})",
           "2 bits of wal/* flip on the disk of n1"},
          {R"({"kind":"wipe","nodes":["n1"]})", "the data of n1 is wiped"},
          {R"({"kind":"membership","parameters":{"change":"grow"}})", "a new member joins"},
          {R"({"kind":"pressure","nodes":["n1"],"parameters":{"speed":0.1}})", "n1 runs at 0.1 of its speed"},
      }) {
    EXPECT_EQ(sentence(fault(json)), expected);
  }
}

TEST(Story, TriggersAreConditions) {
  const auto when = [](auto what, Duration after = {}) {
    return sentence_when({.id = 1, .when = EventTrigger{what, after}, .lasts = {}, .fault = {}});
  };
  EXPECT_EQ(when(FrameTrigger{"AppendEntries", "n2", "n3", 3}), "at the third AppendEntries from n2 to n3");
  EXPECT_EQ(when(CallTrigger{"fsync", "n1", "wal/*", 12, true}), "right after the 12th fsync of n1 on wal/*");
  EXPECT_EQ(when(RoleTrigger{"leader", "", 22}, 20ms), "20 ms after the 22nd time a node becomes leader");
  EXPECT_EQ(when(HealTrigger{4}), "at the end of decision 4");
}

TEST(Story, DecisionsAndMomentsAreToldInOrderOfTime) {
  const Schedule schedule{
      .seed = 1,
      .decisions = {{.id = 2,
                     .when = EventTrigger{RoleTrigger{"leader", "n2", 1}, {}},
                     .lasts = 1s,
                     .fault = fault(R"({"kind":"kill","nodes":["n2"]})")},
                    {.id = 1,
                     .when = Duration(800ms),
                     .lasts = 1500ms,
                     .fault = fault(R"({"kind":"partition","grudge":{"n1":["n2","n3"],"n2":["n1"],"n3":["n1"]}})")}}};
  const std::vector<Moment> moments{{Instant(300ms), "n1", "role", "n1 is leader of term 2"},
                                    {Instant(900ms), "n1", "frame", "AppendEntries n1 to n2"},
                                    {Instant(3s), "n2", "violation", "n2 applied 17/4 where n1 had applied 17/3"},
                                    {Instant(3s), "n2", "violation", "n2 applied 17/4 where n1 had applied 17/3"}};
  EXPECT_EQ(story(schedule, moments),
            (std::vector<std::string>{"1. at the first time n2 becomes leader, n2 is killed, for 1 s.",
                                      "2. n1 is leader of term 2. (300 ms)",
                                      "3. n1 is cut off from n2 and n3, for 1.5 s. (800 ms)",
                                      "4. it ends that n1 is cut off from n2 and n3. (2.3 s)",
                                      "5. n2 applied 17/4 where n1 had applied 17/3. (3 s)"}));
}

TEST(Story, ALongStoryKeepsDecisionsAndEnds) {
  Schedule schedule{.seed = 1, .decisions = {}};
  for (std::uint64_t id = 1; id <= 5; ++id)
    schedule.decisions.push_back(
        {.id = id, .when = Duration(id * 1s), .lasts = 100ms, .fault = fault(R"({"kind":"pause","nodes":["n1"]})")});
  std::vector<Moment> moments;
  for (int i = 0; i < 500; ++i)
    moments.push_back(
        {Instant(i * 10ms), "n1", "role", i % 50 == 0 ? "n1 is leader of term 3" : "n1 is follower of term 3"});
  moments.push_back({Instant(6s), "n1", "violation", "two leaders of term 3"});
  const auto told = story(schedule, moments, {.sentences = 30});
  EXPECT_EQ(told.size(), 21U);  // five decisions and their ends, ten leaders, the violation
  EXPECT_EQ(told.back(), "21. two leaders of term 3. (6 s)");
  for (const std::string& line : told) EXPECT_EQ(line.find("follower"), std::string::npos);
  const auto shorter = story(schedule, moments, {.sentences = 4});
  EXPECT_EQ(shorter.size(), 4U);
  EXPECT_NE(shorter[2].find("left out here"), std::string::npos);
  EXPECT_NE(shorter.back().find("two leaders"), std::string::npos);
}

TEST(Story, WhatASystemDoesComesBeforeWhatIsDoneToItAndNothingAfterTheEnd) {
  const Schedule schedule{
      .seed = 1,
      .decisions = {
          {.id = 1, .when = Duration(1s), .lasts = 100ms, .fault = fault(R"({"kind":"kill","nodes":["n1"]})")},
          {.id = 2, .when = Duration(2s), .lasts = 5s, .fault = fault(R"({"kind":"pause","nodes":["n2"]})")}}};
  const std::vector<Moment> moments{{Instant(1s), "n1", "elected", "n1 is leader in term 2"},
                                    {Instant(1s), "n1", "crash", "n1 goes down: killed"},
                                    {Instant(1s), "n3", "crash", "n3 goes down: its disk is full"},
                                    {Instant(2s), "", "violation", "LC: n2 leads without 3/4"}};
  EXPECT_EQ(story(schedule, moments),
            (std::vector<std::string>{"1. n1 is leader in term 2. (1 s)", "2. n3 goes down: its disk is full. (1 s)",
                                      "3. n1 is killed, for 100 ms. (1 s)", "4. n2 is paused, for 5 s. (2 s)",
                                      "5. LC: n2 leads without 3/4. (2 s)"}));
}

TEST(Story, WhatASystemSaysCannotForgeALine) {
  const std::vector<Moment> moments{{Instant(1s), "n1", "refused", "broken\n9. all \\\"is\\\" well\x1b[2J"}};
  EXPECT_EQ(story({}, moments), (std::vector<std::string>{"1. broken\\n9. all \\\"is\\\" well\\x1b[2J. (1 s)"}));
}

}  // namespace
}  // namespace faultline
