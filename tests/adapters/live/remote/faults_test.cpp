// Every fault that remote nodes take: it bites, heals, and nothing of it remains on the node.
#include <faultline/live/local_cluster.hpp>

#include <gtest/gtest.h>

#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

using live::test::eventually;
using live::test::grows;
using live::test::heard;
using test::is_ok;
using test::Nodes;

Fault on(const std::string& kind, std::vector<NodeName> nodes, Value parameters = {}) {
  return {.kind = kind, .nodes = std::move(nodes), .grudge = {}, .parameters = std::move(parameters)};
}

void partitions(LocalCluster& cluster) {
  const Fault cut{.kind = "partition",
                  .nodes = {},
                  .grudge = {{"n1", {"n2", "n3"}}, {"n2", {"n1"}}, {"n3", {"n1"}}},
                  .parameters = {}};
  const auto applied = cluster.apply(cut);
  ASSERT_TRUE(is_ok(applied));
  EXPECT_EQ(applied.value().get("dropped_pairs"), Value(4));
  const long before = heard(cluster, "n1", "datagram.n2");
  EXPECT_TRUE(grows(cluster, "n2", "datagram.n3")) << "these two are together";
  EXPECT_EQ(heard(cluster, "n1", "datagram.n2"), before) << "not a packet crosses";
  const auto healed = cluster.heal(cut);
  ASSERT_TRUE(is_ok(healed));
  EXPECT_GT(healed.value().get("dropped_packets").as_integer(), 0);
  EXPECT_TRUE(grows(cluster, "n1", "datagram.n2"));
}

void kills_and_pauses(LocalCluster& cluster) {
  const Fault kill = on("kill", {"n1"});
  const auto killed = cluster.apply(kill);
  ASSERT_TRUE(is_ok(killed));
  const auto pid = static_cast<pid_t>(killed.value().get("killed").get("n1").as_integer());
  EXPECT_FALSE(read_stat(pid).has_value());
  const auto restarted = cluster.heal(kill);
  ASSERT_TRUE(is_ok(restarted));
  EXPECT_TRUE(read_stat(static_cast<pid_t>(restarted.value().get("restarted").get("n1").as_integer())).has_value());
  const Fault pause = on("pause", {"n2"});
  const auto paused = cluster.apply(pause);
  ASSERT_TRUE(is_ok(paused));
  const auto stopped = static_cast<pid_t>(paused.value().get("paused").get("n2").as_integer());
  EXPECT_EQ(thread_states(stopped).find_first_not_of('T'), std::string::npos);
  ASSERT_TRUE(is_ok(cluster.heal(pause)));
  EXPECT_TRUE(eventually([&] { return thread_states(stopped).find('T') == std::string::npos; }));
}

void bends_clocks(LocalCluster& cluster) {
  const Fault jump = on("clock", {"n3"}, Value::map({{"clock", "both"}, {"change", "jump"}, {"by", "1h"}}));
  const auto bent = cluster.apply(jump);
  ASSERT_TRUE(is_ok(bent));
  EXPECT_EQ(bent.value().get("skew_ms"), Value(3600000));
  EXPECT_GT(bent.value().get("clock_reads").as_integer(), 0);
  const auto ahead = [&] { return heard(cluster, "n3", "wall") - heard(cluster, "n1", "wall"); };
  EXPECT_GT(ahead(), 3500000);
  const Fault kill = on("kill", {"n3"});
  ASSERT_TRUE(is_ok(cluster.apply(kill)));
  ASSERT_TRUE(is_ok(cluster.heal(kill)));
  EXPECT_TRUE(eventually([&] { return heard(cluster, "n3", "wall") > 0; }));
  EXPECT_GT(ahead(), 3500000) << "it is bent again from the first instruction of the next start";
  ASSERT_TRUE(is_ok(cluster.heal(jump)));
  EXPECT_LT(std::abs(ahead()), 60000);
}

TEST(Remote, TheFaultsOfALocalClusterBiteAndHealOverSshAndNothingRemains) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  {
    LocalCluster cluster(test::gossip_on(nodes, nodes.parsed()));
    const auto up = cluster.set_up();
    ASSERT_TRUE(is_ok(up));
    EXPECT_TRUE(nodes.rules("n1").find("fl_") != std::string::npos) << "declared, empty";
    partitions(cluster);
    kills_and_pauses(cluster);
    bends_clocks(cluster);
    ASSERT_TRUE(is_ok(cluster.apply(on("pause", {"n1"}))));
    ASSERT_TRUE(is_ok(cluster.apply({.kind = "partition", .nodes = {}, .grudge = {{"n3", {"n2"}}}, .parameters = {}})));
    ASSERT_TRUE(is_ok(cluster.apply(on("kill", {"n2"}))));
    const auto healed = cluster.heal_all();
    ASSERT_TRUE(is_ok(healed));
    EXPECT_EQ(healed.value().get("reachable_pairs"), Value(6));
    EXPECT_EQ(healed.value().get("running"), Value::list({"n1", "n2", "n3"}));
    EXPECT_EQ(cluster.primaries().size(), 1U);
    const auto refused = cluster.supports(on("slow_disk", {"n1"}, Value::map({{"latency", "1ms"}})));
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("needs nodes whose disks are supervised"), std::string::npos);
    EXPECT_TRUE(cluster.unexpected_exits().empty());
    const auto down = cluster.tear_down();
    EXPECT_TRUE(is_ok(down));
  }
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
    EXPECT_EQ(live::test::entries(nodes.state(node)), std::vector<std::string>{"bin"}) << node;
    const std::string log = live::test::read_file(nodes.folder() / ("run/nodes/" + node + "/daemon.log"));
    EXPECT_NE(log.find(node + " listens on"), std::string::npos) << "the log was fetched";
  }
  EXPECT_EQ(live::test::entries(nodes.folder() / "state").size(), 1U)
      << "the journal of the test's own network is left";
}

TEST(Remote, ADaemonThatDiesByItselfIsNoticedAndStartedAgain) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  LocalCluster cluster(test::gossip_on(nodes, nodes.parsed()));
  const auto up = cluster.set_up();
  ASSERT_TRUE(is_ok(up));
  const Fault pause = on("pause", {"n2"});
  const auto paused = cluster.apply(pause);
  ASSERT_TRUE(is_ok(paused));
  ::kill(static_cast<pid_t>(paused.value().get("paused").get("n2").as_integer()), SIGKILL);
  ASSERT_TRUE(eventually([&] { return !cluster.unexpected_exits().empty(); }));
  EXPECT_TRUE(cluster.unexpected_exits().front().starts_with("n2: killed by signal 9"))
      << cluster.unexpected_exits().front();
  const auto healed = cluster.heal_all();
  ASSERT_TRUE(is_ok(healed));
  EXPECT_TRUE(healed.value().get("died").get("n2").is_string());
}

}  // namespace
}  // namespace faultline::live::remote
