// Disk faults on three real raftd: each bites, which a counter tells, and heals; and what was acknowledged is lost only where it may be.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <faultline/etcd/probe.hpp>
#include <faultline/live/disk.hpp>
#include <faultline/raft/target.hpp>

namespace faultline::raft {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Cluster {
 public:
  Cluster(bool fsync, std::size_t spares = 0) {
    std::string name = (fs::temp_directory_path() / "fl-raft-disks-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    ::setenv("FAULTLINE_STATE", (folder_ / "state").c_str(), 1);
    TargetOptions options{.nodes = 3, .spares = spares, .run_directory = folder_ / "run"};
    options.network = live::NetworkKind::proxy;
    options.disks = {.supervised = true, .reads = true, .seed = 7};
    options.binary = FL_RAFTD;
    options.fsync = fsync;
    options.snapshot_entries = 50;
    target_ = make_target(std::move(options));
    const auto up = target_->set_up();
    EXPECT_TRUE(up.ok()) << up.error().to_string();
  }
  ~Cluster() {
    EXPECT_TRUE(target_->tear_down().ok());
    target_.reset();
    EXPECT_TRUE(fs::is_empty(folder_ / "state"));
    ::unsetenv("FAULTLINE_STATE");
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  FaultPort& faults() { return target_->faults(); }

  // Whether some node acknowledged it within the limit.
  bool put(const std::string& value) {
    return ask({.path = "/v3/kv/put", .body = R"({"key":"aw==","value":")" + value + R"("})", .writes = true})
        .has_value();
  }
  // The value (base64) of the key, "" if it is absent; none if nobody answers.
  std::optional<std::string> get() {
    const auto body = ask({.path = "/v3/kv/range", .body = R"({"key":"aw=="})"});
    if (!body) return std::nullopt;
    const std::string mark = R"("value":")";
    const std::size_t at = body->find(mark);
    return at == std::string::npos
               ? ""
               : body->substr(at + mark.size(), body->find('"', at + mark.size()) - at - mark.size());
  }
  void heal_all() {
    const auto healed = faults().heal_all();
    ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  }

 private:
  std::optional<std::string> ask(const etcd::Request& request) {
    const auto until = Clock::now() + 20s;
    while (Clock::now() < until) {
      for (const NodeName& node : target_->nodes()) {
        const auto reply = etcd::ask(target_->client_endpoint(node), request, 1s);
        if (reply && reply.value().status == 200) return reply.value().body;
      }
      std::this_thread::sleep_for(20ms);
    }
    return std::nullopt;
  }
  fs::path folder_;
  std::unique_ptr<live::Target> target_;
};

Fault fault(const std::string& kind, std::vector<NodeName> nodes, std::vector<Value::Entry> parameters = {}) {
  return {.kind = kind, .nodes = std::move(nodes), .grudge = {}, .parameters = Value::map(std::move(parameters))};
}

const std::vector<NodeName> all{"n1", "n2", "n3"};

// Applies it, writes meanwhile, heals it; what both say.
Value bite(Cluster& cluster, const Fault& fault, int writes = 5) {
  const auto applied = cluster.faults().apply(fault);
  EXPECT_TRUE(applied.ok()) << applied.error().to_string();
  if (!applied) return {};
  for (int i = 0; i < writes; ++i) (void)cluster.put("eA==");
  const auto healed = cluster.faults().heal(fault);
  EXPECT_TRUE(healed.ok()) << healed.error().to_string();
  if (!healed) return applied.value();
  std::vector<Value::Entry> both;
  for (const Value& part : {applied.value(), healed.value()}) {
    for (const auto& entry : part.as_map()) both.push_back(entry);
  }
  return Value::map(std::move(both));
}

std::int64_t count(const Value& value, const std::string& name) {
  const Value& counter = value.get(name);
  if (counter.is_map()) return static_cast<std::int64_t>(counter.as_map().size());
  if (counter.is_list()) return static_cast<std::int64_t>(counter.as_list().size());
  return counter.is_integer() ? counter.as_integer() : 0;
}

TEST(RaftDisks, WithoutSyncAPowerLossLosesWhatWasAcknowledged) {
  Cluster cluster(false);
  ASSERT_TRUE(cluster.put("eA=="));
  const Value done = bite(cluster, fault("kill", all, {{"disk", "lose_unsynced"}}), 0);
  EXPECT_EQ(count(done, "killed"), 3);
  EXPECT_GT(count(done, "rolled_back_pages") + count(done, "undone_entries"), 0);
  cluster.heal_all();
  EXPECT_EQ(cluster.get(), "");
}

TEST(RaftDisks, WithSyncNoPowerLossLosesWhatWasAcknowledged) {
  Cluster cluster(true);
  int number = 0;
  for (const char* disk : {"lose_unsynced", "torn", "reordered", "torn", "reordered"}) {
    const std::string value = "eAA" + std::to_string(number++);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put("eHg="));
    ASSERT_TRUE(cluster.put(value));
    const Value done = bite(cluster, fault("kill", all, {{"disk", disk}}), 0);
    EXPECT_EQ(count(done, "killed"), 3);
    cluster.heal_all();
    EXPECT_EQ(cluster.get(), value) << disk;
  }
}

TEST(RaftDisks, EveryFaultBitesAndHeals) {
  Cluster cluster(true, 1);
  ASSERT_TRUE(cluster.put("eA=="));
  const auto expect = [&](const Fault& asked, const std::string& counter, int writes = 5) {
    const Value done = bite(cluster, asked, writes);
    EXPECT_GT(count(done, counter), 0) << asked.kind << ": " << done.to_string();
    cluster.heal_all();
    EXPECT_EQ(cluster.get(), "eA==") << asked.kind;
  };
  expect(fault("io_error", {"n1"}, {{"call", "write"}, {"errno", "EIO"}}), "io_errors");
  expect(fault("fsync_error", {"n2"}, {{"errno", "EIO"}, {"pages", "drop"}}), "failed_syncs");
  expect(fault("enospc", {"n3"}, {{"bytes", "0B"}}), "refused_writes", 120);  // until a snapshot is due
  expect(fault("slow_disk", all, {{"latency", "20ms"}}), "slowed_calls");
  expect(fault("crash_point", {"n1"}, {{"call", "fsync"}, {"edge", "after"}, {"disk", "torn"}}), "crashed");
  expect(fault("crash_point", {"n2"}, {{"call", "write"}, {"edge", "before"}, {"disk", "lose_unsynced"}}), "crashed");
  expect(fault("wipe", {"n3"}), "wiped");
  expect(fault("pressure", all, {{"speed", 0.05}}), "slowed_events", 50);
}

TEST(RaftDisks, FlippedBitsInAClosedFileAreTakenBack) {
  Cluster cluster(true, 1);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(cluster.put("eA=="));  // a snapshot or two, which are closed
  const Fault flip = fault("bit_flip", {"n2"}, {{"bits", 3}});
  const auto applied = cluster.faults().apply(flip);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(count(applied.value(), "flipped_bits"), 3);
  const Fault second = fault("truncate", {"n1"}, {{"bytes", "1B"}});
  EXPECT_FALSE(cluster.faults().apply(second).ok()) << "of three disks two must stay clean";
  const auto healed = cluster.faults().heal(flip);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  cluster.heal_all();
  EXPECT_EQ(cluster.get(), "eA==");
}

}  // namespace
}  // namespace faultline::raft
