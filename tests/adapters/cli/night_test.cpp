// The pure half of campaigns: plans, shards, records, triage and nights.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "night/nights.hpp"
#include "night/plan.hpp"
#include "night/record.hpp"
#include "night/shard.hpp"
#include "night/triage.hpp"

namespace faultline::cli::night {
namespace {

constexpr const char* small = R"(
name = "small"
[targets.a]
world = "sim"
[targets.b]
reads = "local"
[matrix]
target = ["a", "b"]
workload = ["register", "cas-register"]
nemesis = ["partition", ["kill", "pause"]]
seeds = "1..3"
nodes = [3, 5]
)";

Plan plan_of(const std::string& toml) {
  auto plan = read_plan("x.toml", toml);
  EXPECT_TRUE(plan.ok()) << plan.error().to_string();
  return std::move(plan).value();
}

std::string problems_of(const std::string& toml) {
  const auto plan = read_plan("x.toml", toml);
  EXPECT_FALSE(plan.ok());
  return plan.ok() ? "" : plan.error().message;
}

TEST(CampaignPlan, MultipliesEveryListAndNamesEveryRunOnce) {
  const Plan plan = plan_of(small);
  EXPECT_EQ(plan.runs.size(), 2U * 2 * 2 * 2 * 3);
  EXPECT_EQ(plan.cells.size(), 16U);
  std::set<std::string> ids;
  for (const RunSpec& run : plan.runs) EXPECT_TRUE(ids.insert(run.id).second);
  EXPECT_EQ(plan.runs[0].id, "00001-a-register-partition-nodes-3-1");
  const std::vector<std::string> words{"sim",       "--seeds", "1..1", "--threads",  "1",       "--nemesis",
                                       "partition", "--nodes", "3",    "--workload", "register"};
  EXPECT_EQ(command_of(plan, plan.runs[0]), words);
  EXPECT_EQ(plan.runs[9].options.at("nemesis"), "kill,pause");
}

TEST(CampaignPlan, IsTheSameEveryTimeAndItsHashKnowsEveryOption) {
  EXPECT_EQ(plan_of(small).hash, plan_of(small).hash);
  std::string other = small;
  other.replace(other.find("1..3"), 4, "1..2");
  EXPECT_NE(plan_of(small).hash, plan_of(other).hash);
  // What is known to fail may be listed while a night goes on.
  const std::string known =
      std::string(small) + "[[known]]\ntarget = \"a\"\nclass = \"L\"\nuntil = 2027-01-01\nwhy = \"x\"\n";
  EXPECT_EQ(plan_of(small).hash, plan_of(known).hash);
}

TEST(CampaignPlan, SwarmDrawsBySeedAloneAndUsesEveryChoice) {
  const Plan plan = plan_of(R"(
name = "swarm"
[matrix]
target = "sim"
nemesis = "partition"
seeds = "1..60"
swarm = { nodes = [3, 5, 7], nemesis = ["kill", "pause", "partition"] }
)");
  std::set<std::string> nodes, mixes;
  for (const RunSpec& run : plan.runs) {
    nodes.insert(run.options.at("nodes"));
    mixes.insert(run.options.at("nemesis"));
  }
  EXPECT_EQ(nodes.size(), 3U);
  EXPECT_EQ(mixes.size(), 7U);  // all but none of them
  EXPECT_EQ(plan.cells.size(), 1U);
}

TEST(CampaignPlan, ATargetWithoutTableIsSpokenOfWhereItIsNamed) {
  const Plan plan = plan_of("name = \"p\"\n[matrix]\ntarget = [\"sim\"]\nseeds = [1]\n");
  EXPECT_EQ(plan.targets[plan.runs[0].target].place.line, 3U);
  EXPECT_EQ(plan.targets[plan.runs[0].target].place.column, 11U);
}

TEST(CampaignPlan, PresetsOfTheSimulatorStandAmongTheMixes) {
  const Plan plan = plan_of("name = \"p\"\n[matrix]\ntarget = \"sim\"\nnemesis = \"preset:swarm\"\nseeds = \"1..1\"\n");
  EXPECT_EQ(plan.runs[0].options.at("preset"), "swarm");
  EXPECT_EQ(plan.runs[0].options.count("nemesis"), 0U);
}

TEST(CampaignPlan, EveryProblemIsToldAtOnceWithItsPlace) {
  EXPECT_EQ(
      problems_of(R"(name = "x"
histroy = "nights"
[budget]
run = "30"
[targets.a]
world = "sim"
time-limt = "5s"
[matrix]
target = ["a", "other"]
nemesis = ["frames", "flood"]
seeds = "3..1"
network = "proxy"
)"),
      "x.toml:2:1: error: unknown key 'histroy'; did you mean 'history'?\n"
      "x.toml:4:7: error: budget.run = \"30\": a duration needs a unit: \"30s\", \"5m\"\n"
      "x.toml:7:1: error: unknown key 'time-limt'; did you mean 'time-limit'?\n"
      "x.toml:9:16: error: there is no target 'other'; targets are: a, raft, etcd, sim\n"
      "x.toml:10:22: error: nemesis = flood: 'flood' is none of partition, kill, rolling, pause, membership, directed, "
      "clog, packet, frames, "
      "power, crash, clock, disk, wipe, pressure, none (target 'a', simulated)\n"
      "x.toml:11:9: error: seeds = \"3..1\" ends before it begins\n"
      "x.toml:12:11: error: network = proxy: target 'a' is simulated, and simulated runs have no such option; "
      "give it to others in a "
      "[[matrix]] of its own");
}

TEST(CampaignPlan, ImpossibleMatricesAreRefused) {
  const std::string head = "name = \"x\"\n[matrix]\ntarget = \"sim\"\n";
  EXPECT_NE(problems_of(head + "seeds = []\n").find("x.toml:4:9: error: seeds"), std::string::npos);
  EXPECT_NE(problems_of(head + "seeds = \"1..3\"\nworkload = []\n").find("an empty list leaves nothing to run"),
            std::string::npos);
  EXPECT_NE(problems_of(head + "seeds = [1, 1]\n").find("in the campaign twice"), std::string::npos);
  EXPECT_NE(problems_of(head + "seeds = \"1..900000\"\n").find("more than 100000 runs"), std::string::npos);
  EXPECT_NE(problems_of(head + "seeds = \"1..3\"\nseed = 7\n").find("decided by the campaign"), std::string::npos);
  EXPECT_NE(problems_of("name = \"x\"\n").find("nothing is to be run"), std::string::npos);
  EXPECT_NE(problems_of("name = \n").find("x.toml:1:"), std::string::npos);
  EXPECT_NE(problems_of(head + "seeds = \"1..2\"\n[[canary]]\nname = \"c\"\ntarget = \"sim\"\nseeds = \"1..2\"\n")
                .find("what has to be found"),
            std::string::npos);
  EXPECT_NE(problems_of(
                head + "seeds = \"1..2\"\n[[known]]\ntarget = \"simm\"\nclass = \"L\"\nuntil = \"soon\"\nwhy = \"x\"\n")
                .find("did you mean 'sim'?"),
            std::string::npos);
}

Result<Shard> shard_in(const std::map<std::string, std::string>& variables, std::string_view flag = "") {
  return shard_of(flag, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

TEST(CampaignShard, EveryRunBelongsToExactlyOneShard) {
  for (const std::size_t count : {1U, 4U, 16U, 7U}) {
    for (std::size_t run = 0; run < 100; ++run) {
      std::size_t takers = 0;
      for (std::size_t index = 0; index < count; ++index)
        takers += Shard{.index = index, .count = count, .origin = {}}.takes(run) ? 1 : 0;
      EXPECT_EQ(takers, 1U);
    }
  }
}

TEST(CampaignShard, ComesFromTheEnvironmentOfEachEngine) {
  EXPECT_EQ(shard_in({}).value().text(), "");
  EXPECT_EQ(shard_in({{"FAULTLINE_SHARD", "2/4"}}).value().text(), "2/4");
  EXPECT_EQ(shard_in({{"FAULTLINE_SHARD_INDEX", "0"}, {"FAULTLINE_SHARD_COUNT", "3"}}).value().text(), "1/3");
  EXPECT_EQ(shard_in({{"CI_NODE_INDEX", "4"}, {"CI_NODE_TOTAL", "4"}}).value().text(), "4/4");
  EXPECT_EQ(shard_in({{"CI_NODE_TOTAL", "1"}}).value().text(), "");
  EXPECT_EQ(shard_in({{"JOB_COMPLETION_INDEX", "15"}, {"JOB_COMPLETIONS", "16"}}).value().text(), "16/16");
  EXPECT_EQ(shard_in({{"SLURM_ARRAY_TASK_ID", "3"}, {"SLURM_ARRAY_TASK_COUNT", "4"}, {"SLURM_ARRAY_TASK_MIN", "1"}})
                .value()
                .text(),
            "3/4");
  EXPECT_EQ(shard_in({{"SLURM_ARRAY_TASK_ID", "14"},
                      {"SLURM_ARRAY_TASK_COUNT", "3"},
                      {"SLURM_ARRAY_TASK_MIN", "10"},
                      {"SLURM_ARRAY_TASK_STEP", "2"}})
                .value()
                .text(),
            "3/3");
  EXPECT_EQ(shard_in({{"SLURM_ARRAY_TASK_ID", "3"}}, "1/1").value().text(), "");
}

TEST(CampaignShard, WhatDoesNotSayWhichShardIsAnError) {
  for (const char* flag : {"0/4", "5/4", "1", "1/", "x/y", "1/4/2", "-1/4"})
    EXPECT_FALSE(shard_in({}, flag).ok()) << flag;
  EXPECT_FALSE(shard_in({{"JOB_COMPLETION_INDEX", "3"}}).ok());
  EXPECT_FALSE(shard_in({{"JOB_COMPLETION_INDEX", "4"}, {"JOB_COMPLETIONS", "4"}}).ok());
  EXPECT_FALSE(shard_in({{"CI_NODE_INDEX", "0"}, {"CI_NODE_TOTAL", "4"}}).ok());
  EXPECT_FALSE(shard_in({{"SLURM_ARRAY_TASK_ID", "5"},
                         {"SLURM_ARRAY_TASK_COUNT", "2"},
                         {"SLURM_ARRAY_TASK_MIN", "0"},
                         {"SLURM_ARRAY_TASK_STEP", "2"}})
                   .ok());
}

TEST(CampaignRecord, ALineReadsBackAndASimulatedOneHasNoTraceOfTheMachine) {
  Record record{.index = 3,
                .run = "00004-a",
                .outcome = Outcome::invalid,
                .classes = {"I:RD", "H:stale-read"},
                .sentence = "n1 \"answers\"\n"};
  record.faults = {{"partition", 2, true}};
  record.probes = {{"log suffix cut", 4}};
  record.hash = "12ab";
  record.shape = "partition";
  record.measured = {
      .seconds = 1.5, .attempts = 2, .directory = "runs/x", .earlier = "signal 9", .began_ms = 5, .ended_ms = 9};
  const std::string line = to_line(record, true);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto back = record_from(line);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(to_line(back.value(), true), line);
  Record elsewhere = record;
  elsewhere.measured = {};
  EXPECT_EQ(to_line(record, false), to_line(elsewhere, false));
  EXPECT_FALSE(record_from(line.substr(0, line.size() / 2)).ok());
}

TEST(CampaignRecord, OnlyAResultThatAgreesWithItsExitCodeCounts) {
  const Plan plan = plan_of(small);
  const auto outcome = [&](int code, std::string_view printed) {
    return read_outcome(plan, plan.runs[0], code, printed).outcome;
  };
  EXPECT_EQ(outcome(0, R"({"exit_code":0,"operations":5})"), Outcome::valid);
  EXPECT_EQ(outcome(0, R"({"exit_code":1,"operations":5})"), Outcome::broken);
  EXPECT_EQ(outcome(0, ""), Outcome::broken);
  EXPECT_EQ(outcome(139, R"({"exit_code":0})"), Outcome::broken);
  EXPECT_EQ(outcome(3, R"({"schema":1,"error":"no etcd"})"), Outcome::broken);
  EXPECT_EQ(read_outcome(plan, plan.runs[0], 3, R"({"schema":1,"error":"no etcd"})").sentence, "no etcd");
  const Record failed =
      read_outcome(plan, plan.runs[0], 1,
                   R"({"exit_code":1,"failures":[{"seed":1,"detectors":["I:RD"],"reason":"n1","run":"o/x"}]})");
  EXPECT_EQ(failed.anomaly(), "I:RD");
  EXPECT_EQ(directory_in(plan, plan.runs[0], R"({"failures":[{"run":"o/x"}]})"), "o/x");
}

TEST(CampaignRecord, TheShapeIsOfTheSmallestScenario) {
  Record record;
  add_scenario(
      record, R"({"nodes":3,"concurrency":1,"one_minimal":true,"story":["1. a","2. b"]})",
      R"({"run":{"schedule":{"decisions":[{"fault":{"kind":"partition"}},{"fault":{"kind":"kill"}},{"fault":{"kind":"partition"}}]}}})");
  EXPECT_EQ(record.shape, "kill+partition");
  EXPECT_EQ(record.shrunk, "3 decisions, 3 nodes, 1 client; nothing can be left out");
  EXPECT_EQ(record.story, "1. a\n2. b\n");
  Record live;
  add_minimal(live,
              "{\"type\":\"invoke\",\"f\":\"write\"}\n{\"type\":\"ok\",\"f\":\"write\"}\n{\"type\":\"invoke\",\"f\":"
              "\"write\"}\n{\"type\":\"invoke\",\"f\":\"read\"}\n");
  EXPECT_EQ(live.shape, "write read");
  add_faults(
      live,
      R"({"exit_code":1,"decisions":1,"removed":3,"measured":3,"failed":2,"kinds":["partition"],"repro":"faultline run s"})");
  EXPECT_EQ(live.shape, "write read") << "the history's";
  EXPECT_EQ(live.shrunk, "3 operations; 1 of 4 faults needed (partition); fails in 2 of 3 runs");
  EXPECT_EQ(live.story, "With the fewest faults: faultline run s\n");
  Record luck;
  add_faults(luck, R"({"exit_code":2,"measured":3,"failed":0})");
  EXPECT_EQ(luck.shrunk, "fails in 0 of 3 runs");
}

TEST(Record, OfASimulatedRunTellsItsLeadersAndWhichOfItsFaultsBit) {
  const auto plan = read_plan("x.toml", "name = \"x\"\n[matrix]\ntarget = \"sim\"\nseeds = [1]\n");
  ASSERT_TRUE(plan.ok());
  const Record record =
      read_outcome(plan.value(), plan.value().runs.front(), 0,
                   R"({"exit_code":0,"leader_changes":3,"faults":[{"kind":"kill","count":4,"runs":1,"bit":1},
                                        {"kind":"clock","count":2,"runs":1,"bit":0}]})");
  EXPECT_EQ(record.leader_changes, 3U);
  ASSERT_EQ(record.faults.size(), 2U);
  EXPECT_TRUE(record.faults[0].bit);
  EXPECT_FALSE(record.faults[1].bit) << record.faults[1].kind;
}

constexpr const char* triaged = R"(
name = "triaged"
[matrix]
target = "sim"
nemesis = ["partition", "kill"]
seeds = "1..3"
[[known]]
target = "sim"
nemesis = "kill"
class = "stale-read"
until = 2026-12-01
why = "accepted"
[[canary]]
name = "planted"
target = "sim"
nemesis = "pause"
seeds = "1..2"
expect = ["stale-read"]
)";

Record failure(const Plan& plan, std::size_t index, const std::string& anomaly, const std::string& shape) {
  return {.index = index,
          .run = plan.runs[index].id,
          .outcome = Outcome::invalid,
          .classes = {anomaly},
          .sentence = "s",
          .shape = shape};
}

Record passed(const Plan& plan, std::size_t index) {
  return {.index = index, .run = plan.runs[index].id, .outcome = Outcome::valid};
}

CampaignReport triage_all(const Plan& plan, const std::map<std::size_t, Record>& failures, const std::string& today) {
  Triage triage(plan, Shard{}, today, "night");
  for (const RunSpec& run : plan.runs) {
    const auto found = failures.find(run.index);
    triage.add(found == failures.end() ? passed(plan, run.index) : found->second);
  }
  return triage.report();
}

std::size_t first_of(const Plan& plan, const std::string& mix) {
  for (const RunSpec& run : plan.runs) {
    if (plan.cells[run.cell].nemesis == mix) return run.index;
  }
  return none;
}

TEST(CampaignTriage, TheSameSignatureIsOneFindingAndAnotherShapeIsAnother) {
  const Plan plan = plan_of(triaged);
  const std::size_t p = first_of(plan, "partition");
  const CampaignReport report = triage_all(plan,
                                           {{p, failure(plan, p, "I:RD", "partition")},
                                            {p + 1, failure(plan, p + 1, "I:RD", "partition")},
                                            {p + 2, failure(plan, p + 2, "I:RD", "no fault")}},
                                           "2026-11-20");
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_EQ(report.findings[0].failed, 2U);
  EXPECT_EQ(report.findings[0].runs, 3U);
  EXPECT_EQ(report.cells[plan.runs[p].cell].violated, 3U);
  EXPECT_FALSE(report.findings[0].flaky);
  EXPECT_EQ(campaign_exit_code(report), 1);
}

TEST(CampaignTriage, ALiveFailureThatDoesNotAlwaysComeIsFlaky) {
  const Plan plan = plan_of("name = \"f\"\n[matrix]\ntarget = \"etcd\"\nnemesis = \"kill\"\nseeds = \"1..3\"\n");
  EXPECT_TRUE(triage_all(plan, {{0, failure(plan, 0, "stale-read", "read")}}, "2026-11-20").findings[0].flaky);
  std::map<std::size_t, Record> always;
  for (std::size_t i = 0; i < 3; ++i) always[i] = failure(plan, i, "stale-read", "read");
  EXPECT_FALSE(triage_all(plan, always, "2026-11-20").findings[0].flaky);
}

TEST(CampaignTriage, AKnownFailureIsNoneUntilItsDayHasPassedAndOnlyWhereItIsListed) {
  const Plan plan = plan_of(triaged);
  const std::size_t k = first_of(plan, "kill"), p = first_of(plan, "partition"), c = first_of(plan, "pause");
  const std::map<std::size_t, Record> night{{k, failure(plan, k, "H:stale-read", "kill")},
                                            {c, failure(plan, c, "stale-read", "")}};
  const CampaignReport before = triage_all(plan, night, "2026-12-01");
  ASSERT_EQ(before.findings.size(), 1U);
  EXPECT_EQ(before.findings[0].state, FindingState::known);
  EXPECT_EQ(campaign_exit_code(before), 0);
  const CampaignReport after = triage_all(plan, night, "2026-12-02");
  EXPECT_EQ(after.findings[0].state, FindingState::overdue);
  EXPECT_EQ(campaign_exit_code(after), 1);
  const CampaignReport elsewhere = triage_all(plan, {{p, failure(plan, p, "stale-read", "kill")}}, "2026-11-20");
  EXPECT_EQ(elsewhere.findings[0].state, FindingState::fresh);
  EXPECT_EQ(elsewhere.known_unseen.size(), 1U);
}

TEST(CampaignTriage, APlantedBugHasToBeFoundAsItself) {
  const Plan plan = plan_of(triaged);
  const std::size_t c = first_of(plan, "pause");
  EXPECT_EQ(campaign_exit_code(triage_all(plan, {}, "2026-11-20")), 3);
  const CampaignReport otherwise = triage_all(plan, {{c, failure(plan, c, "lost-write", "")}}, "2026-11-20");
  EXPECT_EQ(campaign_exit_code(otherwise), 3);
  EXPECT_EQ(otherwise.canaries[0].otherwise, "lost-write");
  EXPECT_EQ(campaign_exit_code(triage_all(plan, {{c, failure(plan, c, "H:stale-read", "")}}, "2026-11-20")), 0);
}

TEST(CampaignTriage, ACellWhoseFaultsNeverBitHasTestedNothing) {
  const Plan plan = plan_of(triaged);
  const std::size_t p = first_of(plan, "partition"), c = first_of(plan, "pause");
  std::map<std::size_t, Record> night{{c, failure(plan, c, "stale-read", "")}};
  for (std::size_t i = p; i < p + 2; ++i)
    night[i] = {.index = i, .run = plan.runs[i].id, .outcome = Outcome::unknown, .vacuous = true};
  EXPECT_EQ(campaign_exit_code(triage_all(plan, night, "2026-11-20")), 0);
  night[p + 2] = {.index = p + 2, .run = plan.runs[p + 2].id, .outcome = Outcome::unknown, .vacuous = true};
  EXPECT_EQ(campaign_exit_code(triage_all(plan, night, "2026-11-20")), 2);
}

TEST(CampaignNights, TellWhatIsNewWhatIsOldAndWhatIsGone) {
  const Plan plan = plan_of(triaged);
  const std::size_t p = first_of(plan, "partition"), c = first_of(plan, "pause");
  const Record found = failure(plan, c, "stale-read", "");
  CampaignReport first = triage_all(plan, {{c, found}, {p, failure(plan, p, "L", "partition")}}, "2026-11-18");
  first.utc = "2026-11-18 02:00:00 UTC";
  const auto past = night_from(to_json(night_of(first)));
  ASSERT_TRUE(past.ok());
  CampaignReport second = triage_all(
      plan, {{c, found}, {p, failure(plan, p, "L", "partition")}, {p + 1, failure(plan, p + 1, "I:RD", "kill")}},
      "2026-11-19");
  compare(second, {past.value()});
  std::map<std::string, FindingState> states;
  for (const CampaignFinding& finding : second.findings) states[finding.anomaly] = finding.state;
  EXPECT_EQ(states["L"], FindingState::again);
  EXPECT_EQ(states["I:RD"], FindingState::fresh);
  EXPECT_TRUE(second.gone.empty());
  CampaignReport third = triage_all(plan, {{c, found}}, "2026-11-20");
  compare(third, {past.value()});
  ASSERT_EQ(third.gone.size(), 1U);
  EXPECT_EQ(third.gone[0].anomaly, "L");
  EXPECT_EQ(third.nights.size(), 1U);
  for (const char* text : {"", "[]", "{\"schema\":2}", "{\"schema\":1,\"name\":7}"})
    EXPECT_FALSE(night_from(text).ok()) << text;
}

TEST(CampaignResult, IsTheSameForAnyMachineAndHoldsEveryRun) {
  const Plan plan = plan_of(triaged);
  const CampaignReport report = triage_all(plan, {}, "2026-11-20");
  std::vector<std::string> lines;
  for (const RunSpec& run : plan.runs) lines.push_back(to_line(passed(plan, run.index), false));
  const std::string text = result_json(plan, report, lines);
  EXPECT_EQ(text, result_json(plan, report, lines));
  for (const RunSpec& run : plan.runs) EXPECT_NE(text.find(run.id), std::string::npos);
}

}  // namespace
}  // namespace faultline::cli::night
