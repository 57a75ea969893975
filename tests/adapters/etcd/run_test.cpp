// The whole of it, small: the register workload on three real nodes while the network is cut.
#include "real_etcd.hpp"

#include <map>

#include <faultline/checker.hpp>
#include <faultline/live/live_world.hpp>
#include <faultline/nemesis.hpp>
#include <faultline/run.hpp>
#include <faultline/workload.hpp>

namespace faultline::etcd {
namespace {

using namespace std::chrono_literals;

Plan partitions_while_registers_are_read_and_written() {
  auto workload = make_workload("register", {.seed = 11, .rate = 300});
  EXPECT_TRUE(workload.ok());
  const std::string partition = "partition";
  auto nemesis = make_nemesis({&partition, 1}, {.seed = 11, .interval = 2s});
  EXPECT_TRUE(nemesis.ok());
  return {.main = by_role(workload.value().clients, nemesis.value().faults),
          .heal = nemesis.value().heal,
          .final = workload.value().final_reads};
}

TEST(Run, ARegisterWorkloadUnderPartitionsIsRecordedWithWhoAnsweredAndIsLinearizable) {
  if (!etcd_is_present()) return;
  const Folder folder;
  const auto target = make_etcd_target({.nodes = 3, .run_directory = folder.run(), .operation_timeout = 1s});
  const auto up = target->set_up();
  ASSERT_TRUE(up.ok()) << up.error().to_string();
  RunResult result;
  // In a thread of its own: opening the world enters the client network.
  std::thread([&] {
    auto world = live::LiveWorld::open(*target, {.concurrency = 5});
    ASSERT_TRUE(world.ok()) << world.error().to_string();
    result = run(partitions_while_registers_are_read_and_written(), *world.value(),
                 {.concurrency = 5, .seed = 11, .time_limit = 5s});
  }).join();
  const auto down = target->tear_down();
  EXPECT_TRUE(down.ok()) << down.error().to_string();

  EXPECT_FALSE(result.failure.has_value()) << result.failure->to_string();
  EXPECT_EQ(result.outstanding, 0U);
  const History& history = result.history;
  EXPECT_GE(history.operation_count(), 300U);
  EXPECT_GE(history.notes().size(), 3U);

  std::map<std::string, std::size_t> answered;
  std::size_t ok = 0;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    if (history.outcome(o) != Outcome::ok) continue;
    ++ok;
    ++answered[std::string(history.operation_extra(o, "node").as_text())];
    EXPECT_TRUE(history.operation_extra(o, "member_id").is_string());
    EXPECT_TRUE(history.operation_extra(o, "raft_term").is_integer());
  }
  EXPECT_GE(ok, 200U);
  EXPECT_EQ(answered.size(), 3U);

  const auto verdict = check(history, "register");
  ASSERT_TRUE(verdict.ok()) << verdict.error().to_string();
  EXPECT_EQ(verdict.value().kind, VerdictKind::valid);
}

}  // namespace
}  // namespace faultline::etcd
