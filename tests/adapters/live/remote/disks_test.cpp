// Disks and processors of remote nodes: each fault bites, is seen to, and heals, with the counts coming back over ssh.
#include <faultline/live/local_cluster.hpp>

#include <gtest/gtest.h>

#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
using live::test::eventually;
using test::is_ok;
using test::Nodes;

Fault on(const std::string& kind, std::vector<NodeName> nodes, Value parameters = {}) {
  return {.kind = kind, .nodes = std::move(nodes), .grudge = {}, .parameters = std::move(parameters)};
}

// Applies it, waits until `has_bitten`, heals, and gives what the healing said.
Value bite(LocalCluster& cluster, const Fault& fault, const std::function<bool()>& has_bitten) {
  const auto applied = cluster.apply(fault);
  EXPECT_TRUE(is_ok(applied)) << fault.kind;
  if (!applied) return {};
  EXPECT_TRUE(eventually(has_bitten)) << fault.kind;
  const auto healed = cluster.heal(fault);
  EXPECT_TRUE(is_ok(healed)) << fault.kind;
  return healed ? healed.value() : Value();
}

std::int64_t count(const Value& value, std::string_view name) {
  return value.get(name).is_integer() ? value.get(name).as_integer() : 0;
}

struct Writers {
  explicit Writers(const Nodes& nodes) : cluster(test::writers_on(nodes, nodes.parsed())) {}
  [[nodiscard]] fs::path file(const NodeName& node, const std::string& name) const {
    return cluster.place(node).data_directory / name;
  }
  [[nodiscard]] std::uintmax_t size(const NodeName& node, const std::string& name) const {
    std::error_code error;
    const auto bytes = fs::file_size(file(node, name), error);
    return error ? 0 : bytes;
  }
  // Whether the node goes on writing, soon.
  [[nodiscard]] bool writes(const NodeName& node) const {
    const auto before = size(node, "unsynced");
    return eventually([&] { return size(node, "unsynced") > before; });
  }
  // Whether its log says so more often than when it was asked last.
  bool complains(const NodeName& node, const std::string& what) {
    const std::string log = live::test::read_file(cluster.place(node).log_file);
    std::size_t times = 0;
    for (std::size_t at = 0; (at = log.find(what, at)) != std::string::npos; at += what.size()) ++times;
    return times > std::exchange(complaints[what], times);
  }

  LocalCluster cluster;
  std::map<std::string, std::size_t> complaints;
};

void calls_fail(Writers& writers) {
  LocalCluster& cluster = writers.cluster;
  const Fault io = on("io_error", {"n1"}, Value::map({{"file", "unsynced"}, {"errno", "EROFS"}}));
  const Value failed = bite(cluster, io, [&] { return writers.complains("n1", "echo: I/O error"); });
  EXPECT_GT(count(failed, "io_errors"), 0) << failed.to_string();
  EXPECT_TRUE(writers.writes("n1"));
  const Fault sync = on("fsync_error", {"n1"}, Value::map({{"file", "synced"}}));
  const Value lost = bite(cluster, sync, [&] { return writers.complains("n1", "sync: error syncing"); });
  EXPECT_EQ(count(lost, "failed_syncs"), 1) << lost.to_string();
  EXPECT_EQ(count(lost, "dropped_pages"), 1) << lost.to_string();
  const Fault full = on("enospc", {"n1"}, Value::map({{"bytes", "8B"}}));
  EXPECT_TRUE(eventually([&] { return !writers.complains("n1", "echo: I/O error"); }));
  const Value refused = bite(cluster, full, [&] { return writers.complains("n1", "echo: I/O error"); });
  EXPECT_GT(count(refused, "refused_writes"), 0) << refused.to_string();
  const Fault slow = on("slow_disk", {"n1"}, Value::map({{"latency", "5ms"}}));
  EXPECT_GT(count(bite(cluster, slow, [&] { return writers.writes("n1"); }), "slowed_calls"), 0);
}

void power_is_lost(Writers& writers) {
  LocalCluster& cluster = writers.cluster;
  ASSERT_TRUE(eventually([&] { return writers.size("n2", "unsynced") > 50; }));
  pid_t pid = 0;
  for (const char* disk : {"lose_unsynced", "torn", "reordered"}) {
    const Fault power = on("kill", {"n2"}, Value::map({{"disk", disk}}));
    const auto applied = cluster.apply(power);
    ASSERT_TRUE(is_ok(applied));
    if (std::string(disk) == "lose_unsynced") {
      EXPECT_EQ(writers.size("n2", "unsynced"), 0U) << "nobody ever synced it";
      EXPECT_GT(count(applied.value(), "rolled_back_pages") + count(applied.value(), "undone_entries"), 0);
      EXPECT_EQ(live::test::read_file(writers.file("n2", "closed")), "abcdefgh\n") << "that one was";
    }
    const auto back = cluster.heal(power);
    ASSERT_TRUE(is_ok(back));
    pid = static_cast<pid_t>(back.value().get("restarted").get("n2").as_integer());
    EXPECT_TRUE(writers.writes("n2"));
  }
  const Fault crash = on("crash_point", {"n2"},
                         Value::map({{"call", "fsync"}, {"nth", 2}, {"file", "synced"}, {"disk", "lose_unsynced"}}));
  const auto before = cluster.apply(crash);
  ASSERT_TRUE(is_ok(before));
  EXPECT_TRUE(eventually([&] { return !read_stat(pid).has_value(); }));
  const auto healed = cluster.heal(crash);
  ASSERT_TRUE(is_ok(healed));
  EXPECT_TRUE(healed.value().get("crashed").get("n2").is_integer()) << healed.value().to_string();
  EXPECT_TRUE(writers.writes("n2"));
}

void files_rot(Writers& writers) {
  LocalCluster& cluster = writers.cluster;
  for (const char* kind : {"bit_flip", "truncate"}) {
    const bool cuts = std::string(kind) == "truncate";
    const Fault rot =
        on(kind, {"n3"},
           cuts ? Value::map({{"file", "resting"}, {"bytes", "3B"}}) : Value::map({{"file", "resting"}, {"bits", 4}}));
    std::ofstream(writers.file("n3", "resting")) << "as it was";
    const auto applied = cluster.apply(rot);
    ASSERT_TRUE(is_ok(applied));
    EXPECT_EQ(count(applied.value(), cuts ? "truncated_bytes" : "flipped_bits"), cuts ? 3 : 4);
    EXPECT_EQ(writers.size("n3", "resting"), cuts ? 6U : 9U);
    const std::string rotten = live::test::read_file(writers.file("n3", "resting"));
    EXPECT_EQ(rotten == "as it ", cuts) << rotten;
    const auto healed = cluster.heal(rot);
    ASSERT_TRUE(is_ok(healed));
    EXPECT_EQ(healed.value().get("restored"), Value::list({"n3"}));
    EXPECT_EQ(live::test::read_file(writers.file("n3", "resting")), "as it was");
  }
}

void processors_are_slow(Writers& writers) {
  LocalCluster& cluster = writers.cluster;
  const Fault slow = on("pressure", {"n1"}, Value::map({{"speed", 0.01}}));
  const auto applied = cluster.apply(slow);
  ASSERT_TRUE(is_ok(applied));
  EXPECT_TRUE(applied.value().get("slowed").get("n1").is_string());
  const Fault kill = on("kill", {"n1"});
  ASSERT_TRUE(is_ok(cluster.apply(kill)));
  ASSERT_TRUE(is_ok(cluster.heal(kill)));
  EXPECT_TRUE(writers.writes("n1"));
  const auto healed = cluster.heal(slow);
  ASSERT_TRUE(is_ok(healed));
  EXPECT_GT(count(healed.value(), "slowed_events"), 0) << "also of the daemon that was started since";
}

TEST(RemoteDisks, EachFaultOfDisksAndProcessorsBitesAndHealsOverSshAndNothingRemains) {
  if (!test::can_host_nodes() || !test::can_break_disks()) return;
  Nodes nodes;
  {
    Writers writers(nodes);
    ASSERT_TRUE(is_ok(writers.cluster.set_up()));
    calls_fail(writers);
    power_is_lost(writers);
    files_rot(writers);
    processors_are_slow(writers);
    EXPECT_TRUE(is_ok(writers.cluster.heal_all()));
    EXPECT_TRUE(writers.cluster.unexpected_exits().empty());
    EXPECT_TRUE(is_ok(writers.cluster.tear_down()));
  }
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(live::test::entries(nodes.state(node)), std::vector<std::string>{"bin"}) << node;
  }
}

TEST(RemoteDisks, ADeploymentThatStaysInTheForegroundLosesWhatItDidNotSyncAndKeepsItsFolder) {
  if (!test::can_host_nodes() || !test::can_break_disks()) return;
  Nodes nodes({"n1"});
  const fs::path data = nodes.folder() / "own" / "data";
  fs::create_directories(data);
  std::ofstream(data / "before") << "kept";
  const Inventory inventory = nodes.parsed("",
                                           "[targets.gossip]\nstart = \"while :; do echo x >> "
                                           "$FAULTLINE_DATA/unsynced; sleep 0.01; done\"\ndata-directory = \"" +
                                               data.string() + "\"\n");
  LocalClusterOptions options = test::writers_on(nodes, inventory);
  options.ready = [](const NodePlace&, Duration) { return Result<void>(); };
  {
    LocalCluster cluster(std::move(options));
    ASSERT_TRUE(is_ok(cluster.set_up()));
    std::error_code error;
    ASSERT_TRUE(
        eventually([&] { return fs::exists(data / "unsynced", error) && fs::file_size(data / "unsynced") > 9; }));
    const auto lost = cluster.apply(on("kill", {"n1"}, Value::map({{"disk", "lose_unsynced"}})));
    ASSERT_TRUE(is_ok(lost));
    EXPECT_GT(count(lost.value(), "undone_entries"), 0);
    EXPECT_FALSE(fs::exists(data / "unsynced"));
    EXPECT_TRUE(is_ok(cluster.heal_all()));
    EXPECT_TRUE(is_ok(cluster.tear_down()));
  }
  EXPECT_EQ(live::test::read_file(data / "before"), "kept");
  EXPECT_EQ(live::test::entries(nodes.folder() / "own"), std::vector<std::string>{"data"});
}

TEST(RemoteDisks, ADaemonThatIsFoundByItsPidFileIsRefusedBeforeTheRun) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  const Inventory inventory = nodes.parsed("", "[targets.gossip]\nstart = \"true\"\npid-file = \"/nowhere\"\n");
  LocalCluster cluster(test::writers_on(nodes, inventory));
  const auto up = cluster.set_up();
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().to_string().find("found by pid-file or pattern"), std::string::npos) << up.error().to_string();
  EXPECT_NE(up.error().to_string().find("stay in the foreground"), std::string::npos) << up.error().to_string();
}

}  // namespace
}  // namespace faultline::live::remote
