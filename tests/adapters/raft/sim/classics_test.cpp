// The classics as scripted schedules: each leads the group through the situation, which a probe confirms, and nothing breaks.
#include <faultline/formats.hpp>
#include <faultline/raft/sim/simulation.hpp>

#include <gtest/gtest.h>

namespace faultline::raft::sim {
namespace {

using namespace std::chrono_literals;

Value fault(const char* kind, std::vector<Value::Entry> fields, std::vector<Value::Entry> parameters = {}) {
  fields.emplace_back("kind", kind);
  if (!parameters.empty()) fields.emplace_back("parameters", Value::map(std::move(parameters)));
  return Value::map(std::move(fields));
}

Value nodes(std::initializer_list<Value> names) { return Value::list(names); }

Value decision(int id, std::vector<Value::Entry> when, const char* lasts, Value what) {
  when.emplace_back("id", id);
  when.emplace_back("fault", std::move(what));
  if (lasts != nullptr) when.emplace_back("for", lasts);
  return Value::map(std::move(when));
}

// Whoever takes the role for the nth time.
Value::Entry at_role(const char* role, int nth, const char* after = nullptr) {
  std::vector<Value::Entry> trigger{{"role", role}, {"nth", nth}};
  if (after != nullptr) trigger.emplace_back("after", after);
  return {"on", Value::map(std::move(trigger))};
}

Schedule scripted(std::vector<Value> decisions) {
  const auto schedule = schedule_from_value(
      Value::map({{"version", 1}, {"seed", 7}, {"decisions", Value::list(std::move(decisions))}}), {});
  EXPECT_TRUE(schedule.ok()) << schedule.error().to_string();
  return schedule.value();
}

SimRun small(std::size_t count, Schedule schedule) {
  return {.seed = 1,
          .nodes = count,
          .spares = 0,
          .reads = "index",
          .election_timeout = 500ms,
          .heartbeat = 50ms,
          .snapshot_entries = 0,
          .batch_bytes = 1,
          .workload = "register",
          .concurrency = 2 * count,
          .rate = 60,
          .keys = 2,
          .duration = 20s,
          .operation_timeout = 1s,
          .schedule = std::move(schedule)};
}

SimResult hold(SimRun run) {
  SimResult result = run_simulation(run);
  EXPECT_FALSE(result.failure) << result.failure->to_string();
  EXPECT_EQ(result.signature(), "");
  for (const Violation& violation : result.violations)
    ADD_FAILURE() << violation.detector << ": " << violation.sentence;
  EXPECT_EQ(result.liveness.kind, Liveness::Kind::converged) << result.liveness.text;
  EXPECT_EQ(result.vacuous, "");
  return result;
}

std::uint64_t probe(const SimResult& result, const char* name) { return result.probes.at(name); }

TEST(Classics, AnIsolatedLeadersTailIsOverwritten) {
  const SimResult result =
      hold(small(5, scripted({decision(1, {{"at", "4s"}}, "4s", fault("partition", {}, {{"shape", "primaries"}}))})));
  EXPECT_GT(probe(result, "two nodes believed they lead") + probe(result, "leader stepped down for want of a quorum"),
            0U);
  EXPECT_GT(probe(result, "log suffix cut"), 0U);
}

TEST(Classics, FigureEightAnEntryOfAnOlderTermIsCommittedOnlyThroughANewerOne) {
  // Each new leader dies a moment after its election, with appends under way: entries of several terms wait for a leader that lives.
  std::vector<Value> decisions;
  for (int i = 0; i < 6; ++i) {
    decisions.push_back(decision(i + 1, {{"at", std::to_string(3000 + 1500 * i) + "ms"}}, "900ms",
                                 fault("partition", {}, {{"shape", "primaries"}})));
  }
  std::uint64_t older = 0, waiting = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SimRun run = small(5, scripted(decisions));
    run.seed = seed;
    const SimResult result = hold(run);
    older += probe(result, "entry of an older term committed through a newer one");
    waiting += probe(result, "leader elected with entries of older terms uncommitted");
  }
  EXPECT_GT(older, 0U);
  EXPECT_GT(waiting, 0U);
}

TEST(Classics, PowerLossAtEverySyncOfAFollowerLosesNothingThatWasAcknowledged) {
  for (int nth = 2; nth <= 12; nth += 2) {
    for (const char* edge : {"before", "after"}) {
      const SimResult result = hold(small(
          3,
          scripted({decision(1, {{"at", "2s"}}, "3s",
                             fault("crash_point", {{"nodes", nodes({"n1", "n2"})}},
                                   {{"call", "fsync"}, {"nth", nth}, {"edge", edge}, {"disk", "lose_unsynced"}}))})));
      EXPECT_GE(result.counters.at("boots"), 5U) << nth << " " << edge;
    }
  }
}

TEST(Classics, APowerLossOfAllAtOnceLosesNothingThatWasAcknowledged) {
  for (const char* disk : {"lose_unsynced", "torn", "reordered"}) {
    const SimResult result =
        hold(small(3, scripted({decision(1, {{"at", "4s"}}, "1s",
                                         fault("kill", {{"nodes", nodes({"n1", "n2", "n3"})}}, {{"disk", disk}}))})));
    EXPECT_EQ(result.counters.at("boots"), 6U);
  }
}

TEST(Classics, AWipedNodeDoesNotVoteUnderItsOldName) {
  const SimResult result = run_simulation(
      small(3, scripted({decision(1, {{"at", "4s"}}, "1s", fault("wipe", {{"nodes", nodes({"n2"})}}))})));
  EXPECT_EQ(result.signature(), "");
  EXPECT_GT(probe(result, "wiped node refused to take part"), 0U);
}

TEST(Classics, ALateFollowerIsBroughtUpByASnapshotInChunks) {
  SimRun run = small(3, scripted({decision(1, {{"at", "3s"}}, "8s", fault("kill", {{"nodes", nodes({"n3"})}}))}));
  run.snapshot_entries = 20;
  run.compaction_tail = 0;
  run.chunk_bytes = 2048;
  const SimResult result = hold(run);
  EXPECT_GT(probe(result, "snapshot installed"), 0U);
  EXPECT_GT(probe(result, "snapshot sent in several chunks"), 0U);
}

TEST(Classics, MembersComeAndGo) {
  SimRun run = small(3, scripted({decision(1, {{"at", "3s"}}, "4s",
                                           fault("membership", {{"nodes", nodes({"n1"})}}, {{"change", "shrink"}})),
                                  decision(2, {{"at", "9s"}}, "4s", fault("membership", {}, {{"change", "grow"}}))}));
  run.spares = 1;
  const SimResult result = hold(run);
  EXPECT_GT(probe(result, "joint configuration entered"), 0U);
}

TEST(Classics, ADecisionAtAnEventHappensAtThatEvent) {
  SimRun run =
      small(3, scripted({decision(1, {at_role("leader", 1)}, "2s", fault("kill", {}, {{"target", "primaries"}}))}));
  run.trace = true;
  const SimResult result = hold(run);
  const auto& trace = result.trace;
  const auto leads = std::find_if(trace.begin(), trace.end(),
                                  [](const TraceLine& line) { return line.kind == "role" && line.text == "leader"; });
  const auto dies =
      std::find_if(trace.begin(), trace.end(), [](const TraceLine& line) { return line.kind == "crash"; });
  ASSERT_NE(leads, trace.end());
  ASSERT_NE(dies, trace.end());
  EXPECT_EQ(leads->node, dies->node);
  EXPECT_EQ(leads->time, dies->time);
}

}  // namespace
}  // namespace faultline::raft::sim
