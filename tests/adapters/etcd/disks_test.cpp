// The disks of real etcd: a Go binary that maps its database, preallocates its log and panics when a sync fails. Every fault of disks
// bites (the counts say so), every node comes back, and what clients saw stays linearizable.
#include "real_etcd.hpp"

#include <fstream>
#include <map>

#include <faultline/checker.hpp>
#include <faultline/formats.hpp>
#include <faultline/live/live_world.hpp>
#include <faultline/live/local_cluster.hpp>
#include <faultline/nemesis.hpp>
#include <faultline/run.hpp>
#include <faultline/schedule.hpp>
#include <faultline/workload.hpp>

namespace faultline::etcd {
namespace {

using namespace std::chrono_literals;

constexpr const char* supervised = R"({"version":1,"seed":1,"decisions":[
{"id":1,"at":"500ms","for":"300ms","fault":{"kind":"kill","nodes":["n1","n2","n3"],"parameters":{"disk":"lose_unsynced"}}},
{"id":2,"at":"2500ms","for":"300ms","fault":{"kind":"kill","nodes":["n2"],"parameters":{"disk":"torn"}}},
{"id":3,"at":"3500ms","for":"300ms","fault":{"kind":"kill","nodes":["n1","n2","n3"],"parameters":{"disk":"reordered"}}},
{"id":4,"at":"5500ms","for":"2500ms","fault":{"kind":"fsync_error","nodes":["n3"],"parameters":{"errno":"EIO","pages":"drop","file":"*.wal"}}},
{"id":5,"at":"9s","for":"3s","fault":{"kind":"fsync_error","nodes":["n1"],"parameters":{"errno":"EIO","pages":"keep","file":"db"}}},
{"id":6,"at":"13s","for":"2500ms","fault":{"kind":"io_error","nodes":["n2"],"parameters":{"call":"write","errno":"EIO","file":"*.wal"}}},
{"id":7,"at":"16500ms","for":"1s","fault":{"kind":"slow_disk","nodes":["n1"],"parameters":{"latency":"20ms"}}},
{"id":8,"at":"18500ms","for":"2500ms","fault":{"kind":"crash_point","nodes":["n2"],"parameters":{"call":"fsync","nth":3,"edge":"before","disk":"torn"}}},
{"id":9,"at":"22s","for":"2500ms","fault":{"kind":"crash_point","nodes":["n3"],"parameters":{"call":"write","nth":5,"edge":"after","disk":"lose_unsynced"}}}]})";

constexpr const char* of_images = R"({"version":1,"seed":1,"decisions":[
{"id":1,"at":"500ms","for":"300ms","fault":{"kind":"kill","nodes":["n1","n2","n3"],"parameters":{"disk":"lose_unsynced"}}},
{"id":2,"at":"3s","for":"300ms","fault":{"kind":"kill","nodes":["n3"],"parameters":{"disk":"lose_unsynced"}}}]})";

bool disks_fail() {
  const auto works = live::disk_faults_work();
  if (!works) std::printf("%s: disks cannot be made to fail here\n", works.error().to_string().c_str());
  return works.ok();
}

bool images_work() {
  const auto works = live::disk_images_work();
  if (!works) std::printf("%s: images of disks do not work here\n", works.error().to_string().c_str());
  return works.ok();
}

Fault power_loss(const char* disk) {
  return {.kind = "kill", .nodes = {"n1"}, .grudge = {}, .parameters = Value::map({{"disk", disk}})};
}

Plan registers_under(const Schedule& schedule) {
  auto workload = make_workload("register", {.seed = 5, .rate = 150});
  auto faults = replay(schedule);
  EXPECT_TRUE(workload.ok() && faults.ok());
  return {.main = by_role(workload.value().clients, std::move(faults).value()),
          .heal = Invocation{"heal-all", {}, {}},
          .final = workload.value().final_reads};
}

// Until every decision has been performed and healed, however slow the machine is.
RunResult perform(live::Target& target, const Schedule& schedule) {
  RunResult result;
  std::size_t healed = 0;
  RunOptions options{.concurrency = 6, .seed = 5, .time_limit = 2min};
  options.on_event = [&healed](const Event& event) {
    healed += event.type != EventType::invoke && event.f.starts_with("stop-") ? 1 : 0;
    return Result<void>();
  };
  options.stop = [&] { return healed < schedule.decisions.size() ? Stop::no : Stop::settle; };
  // In a thread of its own: opening the world enters the client network.
  std::thread([&] {
    auto world = live::LiveWorld::open(target, {.concurrency = 6});
    ASSERT_TRUE(world.ok()) << world.error().to_string();
    result = run(registers_under(schedule), *world.value(), options);
  }).join();
  return result;
}

// By decision, what its fault did from beginning to end: the counts of all its completions, added up, and who came back.
struct Effect {
  std::map<std::string, std::int64_t> counts;
  std::string told;  // whatever was said, for messages
  [[nodiscard]] std::int64_t count(const std::string& name) const {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
  }
};

std::map<std::int64_t, Effect> effects(const History& history) {
  std::map<std::int64_t, Effect> all;
  for (const EventIndex note : history.notes()) {
    const Event event = history.event(note);
    const Value& decision = event.extra.get("decision");
    if (event.type == EventType::invoke || !decision.is_integer()) continue;
    EXPECT_TRUE(event.error().is_null()) << event.f << ": " << event.error().to_string();
    Effect& effect = all[decision.as_integer()];
    const Value& done = event.value.get("done");
    effect.told += event.f + " " + done.to_string() + "\n";
    if (!done.is_map()) continue;
    for (const auto& [name, value] : done.as_map()) {
      const std::string key(name.as_text());
      if (value.is_integer()) effect.counts[key] += value.as_integer();
      if (value.is_map()) effect.counts[key] += static_cast<std::int64_t>(value.as_map().size());
    }
  }
  return all;
}

void expect_linearizable(const RunResult& result) {
  EXPECT_FALSE(result.failure.has_value()) << result.failure->to_string();
  EXPECT_EQ(result.outstanding, 0U);
  const auto verdict = check(result.history, "register");
  ASSERT_TRUE(verdict.ok()) << verdict.error().to_string();
  EXPECT_EQ(verdict.value().kind, VerdictKind::valid);
}

// Each node by itself takes a write that the others read.
void expect_service(live::Target& target) {
  as_client_of(target, [&] {
    for (const NodeName& node : target.nodes()) {
      EXPECT_TRUE(eventually([&] {
        return Session(target, node).perform("write", Value(node), "after").type == EventType::ok;
      })) << node;
      for (const NodeName& other : target.nodes()) {
        EXPECT_TRUE(eventually([&] {
          const Event read = Session(target, other).perform("read", {}, "after");
          EXPECT_TRUE(read.type != EventType::ok || read.value == Value(node))
              << other << " reads " << read.value.to_string();
          return read.type == EventType::ok;
        })) << other;
      }
    }
  });
}

RunResult run_on_disks(const Folder& folder, live::DiskOptions disks, const char* schedule) {
  const auto target =
      make_etcd_target({.nodes = 3, .run_directory = folder.run(), .disks = disks, .operation_timeout = 1s});
  const auto up = target->set_up();
  EXPECT_TRUE(up.ok()) << up.error().to_string();
  if (!up) return {};
  const auto parsed = schedule_from_value(parse_json(schedule).value(), target->nodes());
  EXPECT_TRUE(parsed.ok()) << parsed.error().to_string();
  RunResult result = perform(*target, parsed.value());
  expect_service(*target);
  const auto down = target->tear_down();
  EXPECT_TRUE(down.ok()) << down.error().to_string();
  return result;
}

TEST(EtcdDisks, EveryFaultBitesEtcdComesBackAndItsHistoryIsLinearizable) {
  if (!etcd_is_present() || !disks_fail()) return;
  const Folder folder;
  const RunResult result = run_on_disks(folder, {.supervised = true, .seed = 3}, supervised);
  expect_linearizable(result);
  auto did = effects(result.history);
  ASSERT_EQ(did.size(), 9U);
  for (const std::int64_t loss : {1, 3}) {
    EXPECT_EQ(did[loss].count("killed"), 3) << did[loss].told;
    EXPECT_GT(did[loss].count("rolled_back_pages") + did[loss].count("undone_entries"), 0) << did[loss].told;
    EXPECT_EQ(did[loss].count("restarted"), 3) << did[loss].told;
  }
  EXPECT_EQ(did[2].count("restarted"), 1) << did[2].told;
  for (const std::int64_t failed : {4, 5}) {
    EXPECT_EQ(did[failed].count("failed_syncs"), 1) << did[failed].told;
    EXPECT_EQ(did[failed].count("restarted"), 1) << "etcd ends when a sync fails: " << did[failed].told;
  }
  EXPECT_GT(did[4].count("dropped_pages"), 0) << did[4].told;
  EXPECT_GT(did[6].count("io_errors"), 0) << did[6].told;
  EXPECT_EQ(did[6].count("restarted"), 1) << did[6].told;
  EXPECT_GT(did[7].count("slowed_calls"), 0) << did[7].told;
  for (const std::int64_t crash : {8, 9}) {
    EXPECT_EQ(did[crash].count("crashed"), 1) << did[crash].told;
    EXPECT_EQ(did[crash].count("restarted"), 1) << did[crash].told;
  }
}

TEST(EtcdDisks, FileSystemsThatLosePowerLeaveWhatEtcdHasSynced) {
  if (!etcd_is_present() || !images_work()) return;
  const Folder folder;
  const RunResult result = run_on_disks(folder, {.images = true, .seed = 3}, of_images);
  expect_linearizable(result);
  auto did = effects(result.history);
  ASSERT_EQ(did.size(), 2U);
  EXPECT_EQ(did[1].count("killed"), 3) << did[1].told;
  EXPECT_EQ(did[1].count("restarted"), 3) << did[1].told;
  EXPECT_EQ(did[2].count("restarted"), 1) << did[2].told;
}

// etcd --unsafe-no-fsync is the control: what it acknowledges is on no disk.
std::int64_t pages_lost_without_sync(live::DiskOptions disks) {
  const Folder folder;
  const auto program = folder.path() / "etcd-without-sync";
  std::ofstream(program) << "#!/bin/sh\nexec /usr/bin/etcd --unsafe-no-fsync \"$@\"\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const auto target = make_etcd_target({.nodes = 1,
                                        .run_directory = folder.run(),
                                        .disks = disks,
                                        .binary = program.string(),
                                        .heartbeat_interval = 20ms,
                                        .election_timeout = 200ms});
  const auto up = target->set_up();
  EXPECT_TRUE(up.ok()) << up.error().to_string();
  as_client_of(*target, [&] { EXPECT_EQ(Session(*target, "n1").perform("write", 1).type, EventType::ok); });
  const auto lost = target->faults().apply(power_loss("lose_unsynced"));
  EXPECT_TRUE(lost.ok()) << lost.error().to_string();
  EXPECT_TRUE(target->tear_down().ok());
  return lost ? lost.value().get("rolled_back_pages").as_integer() : 0;
}

TEST(EtcdDisks, APowerLossTakesFromEtcdWhatItDoesNotSync) {
  if (!etcd_is_present()) return;
  if (disks_fail()) {
    EXPECT_GT(pages_lost_without_sync({.supervised = true, .seed = 3}), 0);
  }
  if (images_work()) {
    EXPECT_GT(pages_lost_without_sync({.images = true, .seed = 3}), 0);
  }
}

// One supervised node that is up, and torn down at the end.
struct OneNode {
  OneNode() {
    const auto up = target->set_up();
    EXPECT_TRUE(up.ok()) << up.error().to_string();
  }
  ~OneNode() { EXPECT_TRUE(target->tear_down().ok()); }
  OneNode(const OneNode&) = delete;
  OneNode& operator=(const OneNode&) = delete;
  Event perform(const std::string& f, Value value = {}, const Value& key = "x") const {
    Event event;
    as_client_of(*target, [&] { event = Session(*target, "n1").perform(f, std::move(value), key); });
    return event;
  }

  Folder folder;
  std::unique_ptr<live::Target> target = make_etcd_target({.nodes = 1,
                                                           .run_directory = folder.run(),
                                                           .network = live::NetworkKind::proxy,
                                                           .disks = {.supervised = true, .seed = 3},
                                                           .heartbeat_interval = 20ms,
                                                           .election_timeout = 200ms});
};

// The database is mapped for reading while it is written by calls: what is undone beneath it must be what the next process reads.
TEST(EtcdDisks, ADatabaseThatIsMappedForReadingKeepsEveryAcknowledgedWrite) {
  if (!etcd_is_present() || !disks_fail()) return;
  const OneNode node;
  for (const char* disk : {"lose_unsynced", "torn", "reordered"}) {
    EXPECT_EQ(node.perform("write", disk).type, EventType::ok);
    const auto lost = node.target->faults().apply(power_loss(disk));
    ASSERT_TRUE(lost.ok()) << lost.error().to_string();
    const auto healed = node.target->faults().heal_all();
    ASSERT_TRUE(healed.ok()) << healed.error().to_string();
    EXPECT_EQ(node.perform("read").value, Value(disk));
  }
}

// Small writes go into space that was allocated before.
TEST(EtcdDisks, AFullDiskStopsLargeWritesAndEtcdComesBackWithItsData) {
  if (!etcd_is_present() || !disks_fail()) return;
  const OneNode node;
  EXPECT_EQ(node.perform("write", "kept").type, EventType::ok);
  const Fault full{.kind = "enospc", .nodes = {"n1"}, .grudge = {}, .parameters = Value::map({{"bytes", "4KiB"}})};
  ASSERT_TRUE(node.target->faults().apply(full).ok());
  const Value large(std::string(1'000'000, 'x'));
  constexpr int more_than_is_allocated = 40;
  int taken = 0;
  while (taken < more_than_is_allocated && node.perform("write", large, taken).type == EventType::ok) ++taken;
  EXPECT_LT(taken, more_than_is_allocated);
  const auto healed = node.target->faults().heal(full);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  EXPECT_GT(healed.value().get("refused_writes").as_integer(), 0) << healed.value().to_string();
  const auto all = node.target->faults().heal_all();
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_EQ(node.perform("read").value, Value("kept"));
  EXPECT_EQ(node.perform("write", large, "large").type, EventType::ok);
}

}  // namespace
}  // namespace faultline::etcd
