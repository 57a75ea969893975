#include <faultline/live/local_cluster.hpp>

#include <gtest/gtest.h>
#include <signal.h>

#include "support.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using test::Folder;
using test::grows;

Fault on(const std::string& kind, std::vector<NodeName> nodes) {
  return {.kind = kind, .nodes = std::move(nodes), .grudge = {}, .parameters = {}};
}

NetworkKind best_network() { return ::geteuid() == 0 ? NetworkKind::namespaces : NetworkKind::proxy; }

// A running cluster; the test's thread is where clients are.
struct Running {
  explicit Running(NetworkKind kind = best_network()) : cluster(test::gossip_options(folder / "run", kind)) {
    const auto up = cluster.set_up();
    EXPECT_TRUE(up.ok()) << (up.ok() ? "" : up.error().to_string());
    EXPECT_TRUE(cluster.enter_client_network().ok());
  }
  [[nodiscard]] std::string status(const NodeName& node) const {
    return test::ask(cluster.place(node).addresses.client, std::chrono::milliseconds(300));
  }
  [[nodiscard]] bool answers(const NodeName& node) const { return !status(node).empty(); }

  Folder folder;
  LocalCluster cluster;
};

void expect_nothing_to_remain(NetworkKind kind) {
  const Folder folder;
  const auto descriptors = test::open_descriptors();
  const std::string run = fresh_run_id();
  {
    auto options = test::gossip_options(folder / "run", kind);
    options.run_id = run;
    LocalCluster cluster(std::move(options));
    const auto up = cluster.set_up();
    ASSERT_TRUE(up.ok()) << up.error().to_string();
    EXPECT_EQ(processes_with_environment("FAULTLINE_RUN=" + run).size(), 3U);
    EXPECT_EQ(test::entries(folder / "state").size(), 1U);
    ASSERT_TRUE(cluster.apply(on("kill", {"n1"})).ok());
    ASSERT_TRUE(cluster.apply(on("pause", {"n2"})).ok());
    ASSERT_TRUE(cluster.tear_down().ok());
    EXPECT_TRUE(cluster.tear_down().ok()) << "twice is once";
    EXPECT_FALSE(cluster.apply(on("kill", {"n1"})).ok());
    EXPECT_FALSE(cluster.heal_all().ok());
    EXPECT_TRUE(cluster.primaries().empty());
  }
  EXPECT_TRUE(processes_with_environment("FAULTLINE_RUN=" + run).empty());
  EXPECT_TRUE(test::namespaces_of(run).empty());
  EXPECT_TRUE(test::entries(folder / "tmp").empty());
  EXPECT_TRUE(test::entries(folder / "state").empty());
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_EQ(thread_states(::getpid()).size(), 1U);
  EXPECT_NE(test::read_file(folder / "run/nodes/n1/daemon.log").find("n1 listens on"), std::string::npos)
      << "logs stay";
}

TEST(LocalCluster, NothingRemainsAfterTearDownWithNamespaces) {
  if (test::is_root()) expect_nothing_to_remain(NetworkKind::namespaces);
}

TEST(LocalCluster, NothingRemainsAfterTearDownWithTheProxy) { expect_nothing_to_remain(NetworkKind::proxy); }

TEST(LocalCluster, AWipeIsRefusedWhereNobodyCouldTakeTheNodeInAgain) {
  const Folder folder;
  const LocalCluster cluster(test::gossip_options(folder / "run", NetworkKind::proxy));
  const auto refused = cluster.supports(on("wipe", {"n1"}));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("cannot take a member in again"), std::string::npos);
}

TEST(LocalCluster, AKilledNodeIsDownUntilHealedAndKeepsItsData) {
  Running run;
  LocalCluster& cluster = run.cluster;
  const Fault kill = on("kill", {"n1", "n3"});
  std::ofstream(cluster.place("n1").data_directory / "kept") << "1";
  const auto applied = cluster.apply(kill);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  const Value& killed = applied.value().get("killed");
  ASSERT_TRUE(killed.get("n1").is_integer()) << applied.value().to_string();
  EXPECT_FALSE(read_stat(static_cast<pid_t>(killed.get("n1").as_integer())).has_value());
  EXPECT_FALSE(run.answers("n1"));
  EXPECT_FALSE(run.answers("n3"));
  EXPECT_TRUE(run.answers("n2"));
  const auto healed = cluster.heal(kill);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  const Value& restarted = healed.value().get("restarted");
  ASSERT_TRUE(restarted.get("n1").is_integer()) << healed.value().to_string();
  EXPECT_NE(restarted.get("n1"), killed.get("n1"));
  EXPECT_TRUE(test::eventually([&] { return run.answers("n1") && run.answers("n3"); }));
  EXPECT_TRUE(fs::exists(cluster.place("n1").data_directory / "kept"));
  EXPECT_TRUE(grows(cluster, "n2", "stream.n1")) << "the network knows the new process";
  EXPECT_TRUE(cluster.unexpected_exits().empty());
  EXPECT_EQ(cluster.heal(kill).value(), Value::map({})) << "twice is once";
}

TEST(LocalCluster, AKilledNodeComesBackIntoTheProxysCare) {
  Running run(NetworkKind::proxy);
  const Fault kill = on("kill", {"n1"});
  ASSERT_TRUE(run.cluster.apply(kill).ok());
  ASSERT_TRUE(run.cluster.heal(kill).ok());
  EXPECT_TRUE(grows(run.cluster, "n2", "stream.n1"));
  EXPECT_TRUE(grows(run.cluster, "n1", "fresh.n2"));
}

TEST(LocalCluster, APausedNodeIsSilentUntilHealed) {
  Running run;
  const Fault pause = on("pause", {"n2"});
  const auto applied = run.cluster.apply(pause);
  ASSERT_TRUE(applied.ok());
  const Value pid = applied.value().get("paused").get("n2");
  ASSERT_TRUE(pid.is_integer()) << applied.value().to_string();
  EXPECT_EQ(thread_states(static_cast<pid_t>(pid.as_integer())).find_first_not_of('T'), std::string::npos);
  EXPECT_FALSE(run.answers("n2"));
  const auto healed = run.cluster.heal(pause);
  ASSERT_TRUE(healed.ok());
  EXPECT_EQ(healed.value().get("resumed").get("n2"), pid);
  EXPECT_TRUE(test::eventually([&] { return run.answers("n2"); }));
}

TEST(LocalCluster, FaultsOnOneDaemonAreSerialised) {
  Running run;
  LocalCluster& cluster = run.cluster;
  const Fault pause = on("pause", {"n1"});
  const Fault kill = on("kill", {"n1"});
  ASSERT_TRUE(cluster.apply(pause).ok());
  ASSERT_TRUE(cluster.apply(kill).ok()) << "a paused node may be killed";
  const auto refused = cluster.apply(on("pause", {"n1"}));
  ASSERT_FALSE(refused.ok()) << "a node that is down cannot be paused";
  EXPECT_EQ(refused.error().message,
            "no node could take the fault 'pause': {\"n1\" \"is down (killed by signal 9 (Killed))\"}");
  const auto some = cluster.apply(on("pause", {"n1", "n2"}));
  ASSERT_TRUE(some.ok());
  EXPECT_FALSE(some.value().get("skipped").get("n1").is_null());
  EXPECT_TRUE(some.value().get("paused").get("n2").is_integer());
  ASSERT_TRUE(cluster.heal(pause).ok());
  EXPECT_FALSE(run.answers("n1")) << "the end of the pause does not bring back what was killed";
  ASSERT_TRUE(cluster.heal(kill).ok());
  EXPECT_TRUE(test::eventually([&] { return run.answers("n1"); }));
}

TEST(LocalCluster, ANodeUnderTwoKillsComesBackWithTheSecondHeal) {
  Running run;
  const Fault one = on("kill", {"n1"});
  const Fault two = on("kill", {"n1", "n2"});
  ASSERT_TRUE(run.cluster.apply(one).ok());
  ASSERT_TRUE(run.cluster.apply(two).ok());
  ASSERT_TRUE(run.cluster.heal(one).ok());
  EXPECT_FALSE(run.answers("n1"));
  ASSERT_TRUE(run.cluster.heal(two).ok());
  EXPECT_TRUE(test::eventually([&] { return run.answers("n1") && run.answers("n2"); }));
}

TEST(LocalCluster, HealAllEndsEverythingAndProvesIt) {
  Running run;
  LocalCluster& cluster = run.cluster;
  ASSERT_TRUE(cluster.apply(on("pause", {"n1"})).ok());
  ASSERT_TRUE(cluster.apply(on("kill", {"n2"})).ok());
  ASSERT_TRUE(
      cluster.apply({.kind = "partition", .nodes = {}, .grudge = {{"n3", {"n1", "n2"}}}, .parameters = {}}).ok());
  for (int i = 0; i < 2; ++i) {
    const auto healed = cluster.heal_all();
    ASSERT_TRUE(healed.ok()) << healed.error().to_string();
    EXPECT_EQ(healed.value().get("reachable_pairs"), Value(6));
    EXPECT_EQ(healed.value().get("running"), Value::list({"n1", "n2", "n3"}));
    for (const auto& node : cluster.nodes()) EXPECT_TRUE(run.answers(node));
  }
  EXPECT_TRUE(grows(cluster, "n3", "stream.n2"));
}

TEST(LocalCluster, ADaemonThatDiesByItselfIsReportedAndBroughtBack) {
  Running run;
  LocalCluster& cluster = run.cluster;
  const auto applied = cluster.apply(on("pause", {"n2"}));
  ASSERT_TRUE(applied.ok());
  const auto pid = static_cast<pid_t>(applied.value().get("paused").get("n2").as_integer());
  ASSERT_TRUE(cluster.heal_all().ok());
  ::kill(pid, SIGABRT);
  ASSERT_TRUE(test::eventually([&] { return !cluster.unexpected_exits().empty(); }));
  ASSERT_EQ(cluster.unexpected_exits().size(), 1U);
  EXPECT_TRUE(cluster.unexpected_exits()[0].starts_with("n2: killed by signal 6 (Aborted), log "))
      << cluster.unexpected_exits()[0];
  const auto healed = cluster.heal_all();
  ASSERT_TRUE(healed.ok());
  EXPECT_EQ(healed.value().get("died").get("n2"), Value("killed by signal 6 (Aborted)"));
  EXPECT_TRUE(run.answers("n2"));
}

TEST(LocalCluster, PrimariesAreAskedAndPausedOnesDoNotDelayTheOthers) {
  Running run;
  LocalCluster& cluster = run.cluster;
  ASSERT_TRUE(test::eventually([&] { return cluster.primaries() == std::vector<NodeName>{"n1"}; }));
  ASSERT_TRUE(cluster.apply(on("pause", {"n1"})).ok());
  EXPECT_TRUE(test::eventually([&] { return cluster.primaries() == std::vector<NodeName>{"n2"}; }));
  ASSERT_TRUE(cluster.heal_all().ok());
  EXPECT_TRUE(test::eventually([&] { return cluster.primaries() == std::vector<NodeName>{"n1"}; }));
}

TEST(LocalCluster, ANodeThatDoesNotStartIsNamedWithTheEndOfItsLog) {
  Folder folder;
  auto options = test::gossip_options(folder / "run", best_network());
  const auto plain = options.node_spec;
  options.node_spec = [plain](const NodePlace& self, std::span<const NodePlace> all) {
    NodeSpec spec = plain(self, all);
    if (self.name == "n2") spec.command = {"sh", "-c", "echo reading the log; echo panic: disk is full; exit 2"};
    return spec;
  };
  LocalCluster cluster(std::move(options));
  const auto up = cluster.set_up();
  ASSERT_FALSE(up.ok());
  const std::string text = up.error().to_string();
  EXPECT_EQ(up.error().exit_code(), 3);
  EXPECT_NE(text.find("node n2: its process exited with status 2"), std::string::npos) << text;
  EXPECT_NE(text.find((folder / "run/nodes/n2/daemon.log").string()), std::string::npos) << text;
  EXPECT_NE(text.find("| panic: disk is full"), std::string::npos) << text;
  EXPECT_TRUE(cluster.tear_down().ok());
  EXPECT_TRUE(test::entries(folder / "state").empty());
}

TEST(LocalCluster, WaitingForReadinessIsBoundedAndCanBeEnded) {
  Folder folder;
  for (const bool impatient : {false, true}) {
    auto options = test::gossip_options(folder / "run", best_network(), {"n1"});
    options.ready_limit = impatient ? Duration(std::chrono::minutes(10)) : Duration(std::chrono::milliseconds(300));
    LocalCluster* waiting = nullptr;
    options.ready = [&](const NodePlace&, Duration) -> Result<void> {
      if (impatient) waiting->stop_waiting();
      return Error::environment("no leader yet");
    };
    LocalCluster cluster(std::move(options));
    waiting = &cluster;
    const auto begin = std::chrono::steady_clock::now();
    const auto up = cluster.set_up();
    ASSERT_FALSE(up.ok());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    const std::string expected = impatient ? "not ready when the run was ended; last: no leader yet"
                                           : "not ready within 300 ms; last: no leader yet";
    EXPECT_NE(up.error().message.find(expected), std::string::npos) << up.error().message;
  }
}

TEST(LocalCluster, RefusesWhatItCannotDo) {
  Folder folder;
  LocalCluster cluster(test::gossip_options(folder / "run", best_network()));
  EXPECT_TRUE(cluster.supports(on("kill", {"n1"})).ok());
  EXPECT_TRUE(cluster.supports(on("pause", {})).ok()) << "a target may still be open";
  EXPECT_FALSE(cluster.supports(on("kill", {"n9"})).ok());
  EXPECT_FALSE(cluster.supports({.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n9"}}}, .parameters = {}}).ok());
  const auto unknown = cluster.supports(on("eclipse", {"n1"}));
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().to_string(),
            "fault 'eclipse' is not available for daemons on this machine\n  use partition, packet, clog, kill, pause "
            "or clock");
  EXPECT_FALSE(cluster.apply(on("kill", {"n1"})).ok()) << "before set_up";
  EXPECT_FALSE(cluster.enter_client_network().ok());
  EXPECT_TRUE(cluster.tear_down().ok());
}

}  // namespace
}  // namespace faultline::live
