// Locks and leases on three real nodes: valid when nothing is wrong; with both clocks of the leader a minute ahead a bare lock has two
// holders, a fenced one does no harm, and a lease ends too early.
#include "real_etcd.hpp"

#include <faultline/checker.hpp>
#include <faultline/live/clock.hpp>
#include <faultline/live/live_world.hpp>
#include <faultline/run.hpp>
#include <faultline/schedule.hpp>
#include <faultline/workload.hpp>

namespace faultline::etcd {
namespace {

using namespace std::chrono_literals;

Generator clocks_jump() {
  const Fault jump{
      .kind = "clock",
      .parameters = Value::map({{"target", "primaries"}, {"clock", "both"}, {"change", "jump"}, {"by", "60s"}})};
  auto faults = replay({.seed = 1, .decisions = {{.id = 1, .when = Duration(3s), .lasts = {}, .fault = jump}}});
  EXPECT_TRUE(faults.ok());
  return faults.value();
}

Verdict verdict_of(std::string_view name, bool jump) {
  const Folder folder;
  const auto target = make_etcd_target({.nodes = 3, .run_directory = folder.run(), .objects = objects_of(name)});
  const auto up = target->set_up();
  EXPECT_TRUE(up.ok()) << up.error().to_string();
  const auto workload = make_workload(name, {.seed = 3, .rate = 100, .ttl = 30s});
  EXPECT_TRUE(workload.ok());
  Plan plan{.main = jump ? by_role(workload.value().clients, clocks_jump()) : on_clients(workload.value().clients)};
  if (jump) plan.heal = Invocation{"heal-all", {}, {}};
  RunResult result;
  std::thread([&] {
    auto world = live::LiveWorld::open(*target, {.concurrency = 10});
    EXPECT_TRUE(world.ok());
    result = run(std::move(plan), *world.value(), {.concurrency = 10, .seed = 3, .time_limit = 7s});
  }).join();
  EXPECT_TRUE(target->tear_down().ok());
  EXPECT_FALSE(result.failure.has_value()) << result.failure->to_string();
  const auto verdict = check(result.history, workload.value().info.model);
  EXPECT_TRUE(verdict.ok());
  return verdict.value();
}

TEST(HoldingRun, LocksAreValidWithoutFaults) {
  if (!etcd_is_present()) return;
  const Verdict verdict = verdict_of("lock", false);
  EXPECT_EQ(verdict.kind, VerdictKind::valid) << verdict.reason;
}

TEST(HoldingRun, AJumpOfTheLeadersClocksGivesABareLockTwoHolders) {
  if (!etcd_is_present() || !live::clock_faults_work().ok()) return;
  const Verdict verdict = verdict_of("lock", true);
  ASSERT_EQ(verdict.kind, VerdictKind::invalid);
  EXPECT_EQ(verdict.anomalies.at(0).name, "two-holders") << verdict.reason;
}

TEST(HoldingRun, TheSameJumpDoesAFencedLockNoHarm) {
  if (!etcd_is_present() || !live::clock_faults_work().ok()) return;
  const Verdict verdict = verdict_of("fenced-lock", true);
  EXPECT_EQ(verdict.kind, VerdictKind::valid) << verdict.reason;
}

TEST(HoldingRun, TheSameJumpEndsLeasesTooEarly) {
  if (!etcd_is_present() || !live::clock_faults_work().ok()) return;
  const Verdict verdict = verdict_of("lease", true);
  ASSERT_EQ(verdict.kind, VerdictKind::invalid);
  EXPECT_EQ(verdict.anomalies.at(0).name, "expired-early") << verdict.reason;
}

}  // namespace
}  // namespace faultline::etcd
