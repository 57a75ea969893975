#include <faultline/formats.hpp>
#include <faultline/schedule.hpp>

#include <gtest/gtest.h>

#include "scripted_port.hpp"

namespace faultline {
namespace {

const Nodes three{"n1", "n2", "n3"};

Fault kill(const NodeName& node) { return {.kind = "kill", .nodes = {node}, .grudge = {}, .parameters = {}}; }

Value decision(std::vector<Value::Entry> fields) {
  std::vector<Value::Entry> all{{"id", 1}, {"at", "2.5s"}, {"for", "4s"}, {"fault", to_value(kill("n2"))}};
  for (Value::Entry& field : fields) all.push_back(std::move(field));
  return Value::map(std::move(all));
}

Value schedule(std::vector<Value> decisions) {
  return Value::map({{"version", 1}, {"seed", 23496}, {"decisions", Value::list(std::move(decisions))}});
}

TEST(Schedule, ReadsWhatItWrote) {
  const Schedule all{
      .seed = UINT64_MAX,
      .decisions = {
          {.id = 1, .when = Duration(2500ms), .lasts = Duration(4s), .fault = kill("n1")},
          {.id = 2,
           .when = Duration(1234567ns),
           .lasts = {},
           .fault = {.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2"}}}, .parameters = {}}},
          {.id = 3,
           .when = EventTrigger{FrameTrigger{"AppendEntries", "n2", "n3", 3}, 20ms},
           .lasts = Duration(1s),
           .fault = kill("n2")},
          {.id = 4,
           .when = EventTrigger{CallTrigger{"fsync", "n1", "wal/*", 7, true}, {}},
           .lasts = Duration(90s),
           .fault = kill("n1")},
          {.id = 5, .when = EventTrigger{RoleTrigger{"leader", "", 2}, {}}, .lasts = Duration(1s), .fault = kill("n1")},
          {.id = 9, .when = EventTrigger{HealTrigger{4}, 1ms}, .lasts = Duration(1s), .fault = kill("n1")},
      }};
  const auto again = schedule_from_value(parse_json(to_json(to_value(all))).value(), three);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again.value(), all);
}

TEST(Schedule, IsWrittenLikeThis) {
  const Schedule one{.seed = 7,
                     .decisions = {{.id = 1, .when = Duration(2500ms), .lasts = Duration(4s), .fault = kill("n2")}}};
  EXPECT_EQ(
      to_value(one).to_string(),
      R"({"decisions" [{"at" "2500ms", "fault" {"kind" "kill", "nodes" ["n2"]}, "for" "4s", "id" 1}], "seed" 7, "version" 1})");
}

TEST(Schedule, DefaultsOfTriggersMayBeLeftOut) {
  const Value on = Value::map({{"call", "fsync"}, {"node", "n1"}});
  const auto read =
      schedule_from_value(schedule({Value::map({{"id", 1}, {"on", on}, {"fault", to_value(kill("n1"))}})}), three);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const Decision& only = read.value().decisions.front();
  EXPECT_EQ(std::get<EventTrigger>(only.when), (EventTrigger{CallTrigger{"fsync", "n1", "", 1, false}, {}}));
  EXPECT_FALSE(only.lasts);
}

TEST(Schedule, SelectorsMayStayOpen) {
  const Value fault = Value::map({{"kind", "partition"}, {"parameters", Value::map({{"shape", "primaries"}})}});
  EXPECT_TRUE(schedule_from_value(schedule({decision({{"fault", fault}})}), three).ok());
}

TEST(Schedule, WhateverIsUnknownIsRefusedByName) {
  const auto refused = [](const Value& value, const Nodes& nodes = three) {
    const auto read = schedule_from_value(value, nodes);
    EXPECT_FALSE(read.ok()) << value.to_string();
    if (read.ok()) return std::string();
    EXPECT_EQ(read.error().exit_code(), 64);
    return read.error().to_string();
  };
  const auto with = [&](std::string_view name, Value field) {
    return refused(schedule({decision({{name, std::move(field)}})}));
  };
  EXPECT_EQ(with("att", "1s"), "decision 1 of 1: unknown field of a decision: 'att'\n  did you mean 'at'?");
  EXPECT_EQ(with("at", 3), "decision 1 of 1: 'at' is no duration: 3\n  a duration needs a unit: \"2.5s\"");
  EXPECT_EQ(with("at", Value()), "decision 1 of 1: a decision needs either 'at' or 'on'");
  EXPECT_EQ(with("on", Value::map({{"heal", 2}})), "decision 1 of 1: a decision needs either 'at' or 'on'");
  EXPECT_EQ(with("id", 0), "decision 1 of 1: 'id' is no whole number of at least 1: 0");
  EXPECT_EQ(with("fault", to_value(kill("n4"))), "decision 1 of 1: unknown node 'n4'\n  known: n1, n2, n3");
  EXPECT_EQ(with("fault", Value::map({{"kind", "kil"}, {"nodes", Value::list({"n1"})}})),
            "decision 1 of 1: unknown kind of fault 'kil'\n  did you mean 'kill'?");
  EXPECT_FALSE(with("for", "long").empty());
  EXPECT_FALSE(with("for", "4").empty());
  EXPECT_TRUE(
      schedule_from_value(schedule({decision({{"fault", to_value(kill("n4"))}})}), {}).ok());  // nodes not known

  const auto trigger = [&](std::vector<Value::Entry> on) {
    return refused(
        schedule({Value::map({{"id", 1}, {"on", Value::map(std::move(on))}, {"fault", to_value(kill("n1"))}})}));
  };
  EXPECT_EQ(trigger({{"moon", "full"}}),
            "decision 1 of 1: unknown trigger: {\"moon\" \"full\"}\n  known: frame, call, role, heal");
  EXPECT_EQ(trigger({{"frame", "Vote"}, {"from", "n1"}}), "decision 1 of 1: trigger needs 'to' as text, found nil");
  EXPECT_EQ(trigger({{"frame", "Vote"}, {"from", "n1"}, {"to", "n8"}}),
            "decision 1 of 1: unknown node 'n8'\n  known: n1, n2, n3");
  EXPECT_EQ(trigger({{"call", "fsync"}, {"node", "n1"}, {"edge", "befor"}}),
            "decision 1 of 1: unknown edge 'befor'\n  did you mean 'before'?");
  EXPECT_EQ(trigger({{"call", "fsync"}, {"node", "n1"}, {"fil", "x"}}),
            "decision 1 of 1: unknown field of trigger: 'fil'\n  did you mean 'file'?");
  EXPECT_EQ(trigger({{"role", "king"}}), "decision 1 of 1: unknown role 'king'\n  known: leader, candidate, follower");
  EXPECT_EQ(trigger({{"role", "leader"}, {"nth", 0}}), "decision 1 of 1: 'nth' is no whole number of at least 1: 0");
  EXPECT_EQ(trigger({{"heal", 1}}), "decision 1 waits for the heal of decision 1, which is none other");
  EXPECT_FALSE(trigger({{"heal", 1}, {"after", 5}}).empty());

  EXPECT_EQ(refused(schedule({decision({}), decision({})})), "two decisions have the id 1");
  EXPECT_EQ(refused(Value::map({{"version", 2}, {"seed", 1}, {"decisions", Value::list({})}})),
            "a schedule of version 2 cannot be read\n  known: 1");
  EXPECT_FALSE(refused(Value::map({{"version", 1}, {"seed", -1}, {"decisions", Value::list({})}})).empty());
  EXPECT_FALSE(
      refused(Value::map({{"version", 1}, {"seed", "18446744073709551616"}, {"decisions", Value::list({})}})).empty());
  EXPECT_FALSE(refused(Value::map({{"version", 1}, {"seed", 1}, {"decisions", 5}})).empty());
  EXPECT_FALSE(refused(Value()).empty());
  EXPECT_FALSE(refused("schedule").empty());
}

RunResult run_schedule(Generator faults, Duration time_limit, ScriptedPort& port) {
  NemesisProcess process(Rng(1).fork("process"));
  ScriptedWorld world(script_of(process, port));
  return run({.main = on_nemesis(std::move(faults)), .heal = Invocation{"heal-all", {}, {}}}, world,
             {.concurrency = 1, .time_limit = time_limit});
}

TEST(Schedule, ReplayPerformsItAtItsTimes) {
  const Schedule plan{.seed = 1,
                      .decisions = {{.id = 1, .when = Duration(2s), .lasts = Duration(3s), .fault = kill("n2")},
                                    {.id = 2, .when = Duration(1s), .lasts = Duration(3s), .fault = kill("n1")},
                                    {.id = 3, .when = Duration(4050ms), .lasts = {}, .fault = kill("n3")}}};
  ScriptedPort port;
  const RunResult result = run_schedule(replay(plan).value(), 60s, port);
  EXPECT_EQ(port.calls, (std::vector<std::string>{"apply kill n1", "apply kill n2", "heal kill n1", "apply kill n3",
                                                  "heal kill n2", "heal kill n3", "heal_all"}));
  std::vector<Instant> times;
  for (const EventIndex note : result.history.notes()) {
    if (result.history.type(note) == EventType::invoke) times.push_back(result.history.time(note));
  }
  // The third is asked for while the stop of the first takes its 100 ms: late, not lost. The fifth ends the schedule.
  EXPECT_EQ(times, (std::vector<Instant>{Instant(1s), Instant(2s), Instant(4s), Instant(4100ms), Instant(5s),
                                         Instant(5100ms)}));
}

TEST(Schedule, ReplayRefusesEventsThatNobodyWatchesForNamingThem) {
  const Schedule plan{
      .seed = 1,
      .decisions = {
          {.id = 4, .when = EventTrigger{HealTrigger{5}, {}}, .lasts = {}, .fault = kill("n1")},
          {.id = 5, .when = Duration(1s), .lasts = {}, .fault = kill("n1")},
          {.id = 6, .when = EventTrigger{RoleTrigger{"leader", "", 1}, {}}, .lasts = {}, .fault = kill("n1")}}};
  const auto refused = replay(plan);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "nobody watches here for the events that decisions of this schedule wait for: 6");
}

// The times at which notes were asked for, with what they are.
std::vector<std::pair<Instant, std::string>> asked_for(const History& history) {
  std::vector<std::pair<Instant, std::string>> asked;
  for (const EventIndex note : history.notes()) {
    if (history.type(note) == EventType::invoke) asked.emplace_back(history.time(note), history.event(note).f);
  }
  return asked;
}

TEST(Schedule, ADecisionFollowsTheHealOfAnother) {
  const Schedule plan{
      .seed = 1,
      .decisions = {{.id = 1, .when = EventTrigger{HealTrigger{7}, 500ms}, .lasts = 1s, .fault = kill("n3")},
                    {.id = 7, .when = Duration(1s), .lasts = Duration(2s), .fault = kill("n1")},
                    {.id = 8, .when = EventTrigger{HealTrigger{1}, {}}, .lasts = {}, .fault = kill("n2")}}};
  ScriptedPort port;
  const RunResult result = run_schedule(replay(plan).value(), 60s, port);
  // A heal takes 100 ms; the pause ends a second after it was asked for.
  EXPECT_EQ(asked_for(result.history), (std::vector<std::pair<Instant, std::string>>{{Instant(1s), "start-kill"},
                                                                                     {Instant(3s), "stop-kill"},
                                                                                     {Instant(3600ms), "start-kill"},
                                                                                     {Instant(4600ms), "stop-kill"},
                                                                                     {Instant(4700ms), "start-kill"},
                                                                                     {Instant(4800ms), "heal-all"}}));
}

TEST(Schedule, ADecisionWhoseHealNeverComesIsNotWaitedFor) {
  const Schedule plan{
      .seed = 1,
      .decisions = {{.id = 1, .when = EventTrigger{HealTrigger{2}, {}}, .lasts = {}, .fault = kill("n1")},
                    {.id = 2, .when = Duration(1s), .lasts = {}, .fault = kill("n2")}}};
  ScriptedPort port;
  const RunResult result = run_schedule(replay(plan).value(), 60s, port);
  EXPECT_FALSE(result.failure.has_value());
  EXPECT_EQ(port.calls, (std::vector<std::string>{"apply kill n2", "heal kill n2", "heal_all"}));
}

TEST(Schedule, ADecisionFollowsItsEventAndTheHistoryTellsOfBoth) {
  const EventTrigger second_leader{RoleTrigger{"leader", "", 2}, 30ms};
  const Schedule plan{
      .seed = 1,
      .decisions = {
          {.id = 3, .when = second_leader, .lasts = Duration(1s), .fault = kill("n1")},
          {.id = 4, .when = EventTrigger{FrameTrigger{"Hello", "n1", "n2", 1}, {}}, .lasts = {}, .fault = kill("n2")}}};
  int looks = 0;
  const auto happened = [&](std::uint64_t decision) -> std::optional<Instant> {
    if (decision != 3 || ++looks < 10) return std::nullopt;
    return Instant(100ms);
  };
  ScriptedPort port;
  const RunResult result = run_schedule(replay(plan, happened).value(), 5s, port);
  EXPECT_FALSE(result.failure.has_value());
  const auto asked = asked_for(result.history);
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0].second, "start-kill");
  EXPECT_EQ(asked[1], std::pair(asked[0].first + 1s, std::string("stop-kill")));
  const Schedule done = schedule_from_history(result.history, 1);
  ASSERT_EQ(done.decisions.size(), 1U) << "what never happened was not done";
  EXPECT_EQ(done.decisions[0], (Decision{.id = 3, .when = second_leader, .lasts = Duration(1s), .fault = kill("n1")}));
  EXPECT_EQ(schedule_from_value(to_value(done), three).value(), done);
}

TEST(Schedule, WhatARunDidReplaysToTheSameFaults) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ScriptedPort port;
    const std::vector<std::string> names{"partition", "kill", "pause"};
    const RunResult first = run_schedule(make_nemesis(names, {.seed = seed}).value().faults, 60s, port);
    const Schedule done = schedule_from_history(first.history, seed);
    ASSERT_GE(done.decisions.size(), 3U);
    const auto read = schedule_from_value(to_value(done), three);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    EXPECT_EQ(read.value(), done);

    ScriptedPort again;
    again.leading = {"n1"};  // nothing is left to chance or to the leader
    const RunResult second = run_schedule(replay(done).value(), 60s, again);
    std::erase(port.calls, "primaries");
    EXPECT_EQ(again.calls, port.calls) << "seed " << seed;
    EXPECT_EQ(schedule_from_history(second.history, seed), done) << "seed " << seed;
  }
}

TEST(Schedule, FaultsThatWereNotAppliedAreNoDecisions) {
  ScriptedPort port;
  port.unsupported = "kill";
  const std::vector<std::string> names{"kill"};
  const RunResult result = run_schedule(make_nemesis(names, {}).value().faults, 60s, port);
  EXPECT_TRUE(schedule_from_history(result.history, 1).decisions.empty());
}

}  // namespace
}  // namespace faultline
