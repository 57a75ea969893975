// Whole runs: the Raft as it is holds, the same seed is the same run, and what real systems also get wrong is found.
#include <faultline/raft/sim/simulation.hpp>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace faultline::raft::sim {
namespace {

using namespace std::chrono_literals;

// More than the usual share when asked: FAULTLINE_SIM_SEEDS=10000.
std::uint64_t seeds(std::uint64_t usual) {
  const char* asked = std::getenv("FAULTLINE_SIM_SEEDS");
  return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

std::string told(const SimResult& result) {
  std::string text = fmt::format("seed {}: {}", result.run.seed, result.signature());
  for (const Violation& violation : result.violations) text += "\n  " + violation.detector + ": " + violation.sentence;
  for (const Anomaly& anomaly : result.verdict.anomalies) text += "\n  H: " + anomaly.sentence;
  if (result.liveness.kind == Liveness::Kind::failed) text += "\n  L: " + result.liveness.text;
  if (result.failure) text += "\n  failure: " + result.failure->to_string();
  return text;
}

// How many of these seeds show it; runs until `enough` did.
std::uint64_t found(SimRun run, std::string_view detector, std::uint64_t limit, std::uint64_t enough = 1) {
  std::uint64_t count = 0;
  for (run.seed = 1; run.seed <= limit && count < enough; ++run.seed) {
    const SimResult result = run_simulation(run);
    EXPECT_FALSE(result.failure) << told(result);
    for (const std::string& fired : result.detectors()) {
      if (fired.starts_with(detector)) {
        ++count;
        break;
      }
    }
  }
  return count;
}

TEST(Simulation, TheRaftHoldsAndConvergesUnderAllFaults) {
  std::uint64_t converged = 0;
  const std::uint64_t count = seeds(15);
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    const SimResult result = run_simulation({.seed = seed});
    ASSERT_FALSE(result.failure) << told(result);
    ASSERT_FALSE(result.failed()) << told(result);
    EXPECT_NE(result.verdict.kind, VerdictKind::invalid);
    EXPECT_GT(result.steps, 0U);
    converged += result.liveness.kind == Liveness::Kind::converged ? 1 : 0;
  }
  EXPECT_GT(converged * 10, count * 6);
}

TEST(Simulation, WithoutFaultsEverythingIsServed) {
  for (const char* workload : {"register", "cas-register", "kv-append"}) {
    const SimResult result = run_simulation({.seed = 5, .workload = workload, .nemesis = std::vector<std::string>()});
    ASSERT_FALSE(result.failure) << told(result);
    EXPECT_FALSE(result.failed()) << told(result);
    EXPECT_EQ(result.verdict.kind, VerdictKind::valid);
    EXPECT_EQ(result.liveness.kind, Liveness::Kind::converged) << result.liveness.text;
    EXPECT_EQ(result.counters.count("operations info"), 0U);
  }
}

// The disk reads a chunk more slowly than the heartbeats of all followers ask for it again.
TEST(Simulation, ASlowDiskDoesNotDrownASnapshotInCopiesOfItsChunks) {
  std::uint64_t sent = 0;
  for (std::uint64_t seed = 2; seed <= 3; ++seed) {
    auto run = drawn({.seed = seed,
                      .nodes = 5,
                      .spares = 0,
                      .reads = "index",
                      .election_timeout = 500ms,
                      .heartbeat = 30ms,
                      .snapshot_entries = 16,
                      .compaction_tail = 0,
                      .chunk_bytes = 2048,
                      .workload = "kv-append",
                      .rate = 60,
                      .duration = 15s,
                      .nemesis = std::vector<std::string>{"partition"}});
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    run.value().world->disk = {.latency = 60ms, .jitter = 1ms};
    const SimResult result = run_simulation(run.value());
    ASSERT_FALSE(result.failure) << told(result);
    EXPECT_FALSE(result.failed()) << told(result);
    sent += result.probes.at("snapshot sent in several chunks");
  }
  EXPECT_GT(sent, 0U);
}

// Packets that overtake each other, one entry in each, a window of 255 and a follower that has much to catch up with: once every refusal
// made the whole window leave again, 11 million frames for two thousand operations.
TEST(Simulation, AFollowerThatCatchesUpOutOfOrderIsSentNoStormOfAppends) {
  const SimResult result = run_simulation({.seed = 153, .workload = "set", .nemesis = {{"partition"}}});
  ASSERT_FALSE(result.failure) << told(result);
  EXPECT_FALSE(result.failed()) << told(result);
  EXPECT_GT(result.counters.at("operations ok"), 1000U);
  EXPECT_LT(result.counters.at("frames"), 50 * result.counters.at("operations ok"));
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 100; seed < 110; ++seed) {
    const SimResult first = run_simulation({.seed = seed, .hash_every = 500});
    const SimResult second = run_simulation({.seed = seed, .hash_every = 500});
    EXPECT_EQ(first.hash, second.hash) << seed;
    EXPECT_EQ(first.hashes, second.hashes) << seed;
    EXPECT_EQ(first.draws, second.draws) << seed;
    EXPECT_EQ(first.steps, second.steps) << seed;
    EXPECT_EQ(first.history.size(), second.history.size()) << seed;
  }
}

TEST(Simulation, ARunThatNamesEverythingIsTheSameRunAlsoFromItsText) {
  for (std::uint64_t seed = 200; seed < 206; ++seed) {
    const SimResult first = run_simulation({.seed = seed});
    const auto again = sim_run_from_value(to_value(first.run));
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_EQ(again.value(), first.run);
    const SimResult second = run_simulation(again.value());
    EXPECT_EQ(first.hash, second.hash) << seed;
  }
}

TEST(Simulation, OtherSeedsAreOtherRuns) {
  EXPECT_NE(run_simulation({.seed = 1}).hash, run_simulation({.seed = 2}).hash);
}

TEST(Simulation, NamingOneOptionLeavesTheOthersAlone) {
  const auto all = drawn({.seed = 9});
  const auto one = drawn({.seed = 9, .snapshot_entries = 77});
  ASSERT_TRUE(all.ok() && one.ok());
  SimRun expected = all.value();
  expected.snapshot_entries = 77;
  EXPECT_EQ(one.value(), expected);
}

TEST(Simulation, ALongerRunHasTheSameRateOfOperations) {
  const auto usual = drawn({.seed = 9}), longer = drawn({.seed = 9, .duration = 200s});
  ASSERT_TRUE(usual.ok() && longer.ok());
  EXPECT_EQ(longer.value().rate, usual.value().rate);
}

TEST(Simulation, WatchingChangesNothing) {
  // Without invariants there is no liveness phase either; until then the two are one run.
  const SimRun run{.seed = 12, .nemesis = std::vector<std::string>(), .hash_every = 100};
  SimRun blind = run;
  blind.detectors = Detectors::history;
  const auto watched = run_simulation(run);
  const auto unwatched = run_simulation(blind);
  const std::size_t common = std::min(watched.hashes.size(), unwatched.hashes.size()) / 2;
  ASSERT_GT(common, 10U);
  EXPECT_TRUE(std::equal(watched.hashes.begin(), watched.hashes.begin() + static_cast<std::ptrdiff_t>(common),
                         unwatched.hashes.begin()));
  EXPECT_EQ(unwatched.liveness.kind, Liveness::Kind::not_checked);
}

TEST(Simulation, OptionsThatMakeNoSenseAreRefusedByName) {
  EXPECT_NE(run_simulation({.nodes = 0}).failure, std::nullopt);
  EXPECT_NE(run_simulation({.reads = "stale"}).failure, std::nullopt);
  EXPECT_NE(run_simulation({.nemesis = {{"kil"}}}).failure, std::nullopt);
  EXPECT_NE(run_simulation({.workload = "registre"}).failure, std::nullopt);
  SimRun run;
  EXPECT_TRUE(set_option(run, "nodes", "5").ok());
  EXPECT_TRUE(set_option(run, "election_timeout", "750ms").ok());
  EXPECT_TRUE(set_option(run, "nemesis", "kill,partition").ok());
  EXPECT_EQ(run.nodes, 5U);
  EXPECT_EQ(run.election_timeout, 750ms);
  EXPECT_EQ(run.nemesis, (std::vector<std::string>{"kill", "partition"}));
  EXPECT_FALSE(set_option(run, "nodes", "five").ok());
  const auto unknown = set_option(run, "node", "5");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().remedy, "did you mean 'nodes'?");
  EXPECT_FALSE(sim_run_from_value(Value::map({{"sede", 1}})).ok());
  EXPECT_FALSE(sim_run_from_value(Value::map({{"nodes", "three"}})).ok());
}

TEST(Simulation, EveryOptionGoesThroughItsText) {
  SimRun run;
  run.seed = UINT64_MAX;
  run.reads = "lease";
  run.beyond_model = true;
  run.detectors = Detectors::history;
  run.trace_frames = 3;
  const auto again = sim_run_from_value(to_value(run));
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again.value(), run);
}

TEST(Simulation, EveryProbeIsCounted) {
  const SimResult result = run_simulation({.seed = 3});
  EXPECT_EQ(result.probes.size(), probe_names().size());
  for (const std::string_view name : probe_names()) EXPECT_TRUE(result.probes.contains(std::string(name))) << name;
}

TEST(Simulation, AFaultThatTheWorldCannotDoIsRefusedBeforeAnythingRuns) {
  EXPECT_TRUE(supports({}, {.kind = "kill", .nodes = {"n1"}}).ok());
  EXPECT_FALSE(supports({}, {.kind = "upgrade", .nodes = {"n1"}}).ok());
}

// --- modes bite -------------------------------------------------------------------------------------------------------------------

TEST(Modes, LocalReadsAreStaleUnderPartitionAndBothSee) {
  EXPECT_EQ(found({.reads = "local", .nemesis = {{"partition"}}}, "I:RD", 60), 1U);
  EXPECT_EQ(found({.reads = "local", .nemesis = {{"partition"}}, .detectors = Detectors::history}, "H", 60), 1U);
}

TEST(Modes, WithoutFsyncAPowerLossLosesWrites) {
  EXPECT_EQ(found({.fsync = false, .nemesis = {{"power"}}}, "I:", 80), 1U);
  EXPECT_EQ(found({.fsync = false, .nemesis = {{"power"}}, .detectors = Detectors::history}, "H", 120), 1U);
}

// n1 leads, its monotonic clock runs at a third of the speed; cut off with its clients it believes in its lease for three times as long.
Schedule slow_clock_of_the_leader() {
  const auto schedule = schedule_from_value(
      Value::map(
          {{"version", 1},
           {"seed", 1},
           {"decisions",
            Value::list(
                {Value::map({{"id", 1},
                             {"at", "3s"},
                             {"fault", Value::map({{"kind", "clock"},
                                                   {"parameters", Value::map({{"clock", "mono"},
                                                                              {"change", "rate"},
                                                                              {"rate", 0.3},
                                                                              {"target", "primaries"}})}})}}),
                 Value::map({{"id", 2},
                             {"at", "4s"},
                             {"for", "6s"},
                             {"fault", Value::map({{"kind", "partition"},
                                                   {"parameters", Value::map({{"shape", "primaries"}})}})}})})}}),
      {});
  EXPECT_TRUE(schedule.ok());
  return schedule.value();
}

SimRun lease_run(double promised) {
  return {.nodes = 3,
          .spares = 0,
          .reads = "lease",
          .max_clock_drift = promised,
          .election_timeout = 500ms,
          .heartbeat = 50ms,
          .workload = "register",
          .concurrency = 6,
          .rate = 100,
          .keys = 2,
          .duration = 12s,
          .operation_timeout = 1s,
          .schedule = slow_clock_of_the_leader()};
}

TEST(Modes, LeaseReadsAreStaleWhereAClockBreaksWhatWasPromised) {
  EXPECT_EQ(found(lease_run(0.01), "I:RD", 5), 1U);
  SimRun blind = lease_run(0.01);
  blind.detectors = Detectors::history;
  EXPECT_EQ(found(blind, "H", 5), 1U);
}

TEST(Modes, LeaseReadsHoldWhereTheClockKeepsThePromise) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SimRun run = lease_run(0.75);
    run.seed = seed;
    const SimResult result = run_simulation(run);
    EXPECT_FALSE(result.failed()) << told(result);
    EXPECT_GT(result.probes.at("read answered by a leader under lease"), 0U);
  }
}

TEST(Modes, SerializableReadsMayBeStaleAndAreNotHeldAgainstTheRaft) {
  EXPECT_EQ(found({.serializable = true, .nemesis = {{"partition"}}}, "I:", 10), 0U);
}

TEST(Modes, ClientsThatRepeatUnderOneNumberActOnce) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const SimResult result = run_simulation({.seed = seed, .workload = "kv-append", .retries = true});
    EXPECT_FALSE(result.failed()) << told(result);
  }
}

}  // namespace
}  // namespace faultline::raft::sim
