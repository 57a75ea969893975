// Packets on their way into remote nodes: every fault of them does what it says, on the links it names, and nothing of it remains.
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

// What healing counted, once datagrams have crossed, both ways, under the fault.
std::int64_t suffer(LocalCluster& cluster, const Fault& fault, const std::string& counter) {
  const auto applied = cluster.apply(fault);
  EXPECT_TRUE(is_ok(applied));
  if (!applied) return 0;
  constexpr long some = 15;
  EXPECT_TRUE(grows(cluster, "n1", "datagram.n2", some) && grows(cluster, "n2", "datagram.n1", some)) << counter;
  const auto healed = cluster.heal(fault);
  EXPECT_TRUE(is_ok(healed));
  return healed ? healed.value().get(counter).as_integer() : 0;
}

TEST(RemotePackets, EachFaultOfPacketsBitesAndHealsOverSshAndNothingRemains) {
  if (!test::can_host_nodes() || !test::can_queue_packets()) return;
  Nodes nodes;
  {
    auto options = test::gossip_on(nodes, nodes.parsed());
    options.needs.packets = true;
    LocalCluster cluster(std::move(options));
    ASSERT_TRUE(is_ok(cluster.set_up()));
    EXPECT_NE(cluster.network_description().find("NFQUEUE"), std::string::npos) << cluster.network_description();
    const auto rules = [](const char* name, const Value& value) {
      return on("packet", {"n1"}, Value::map({{name, value}}));
    };
    EXPECT_GT(suffer(cluster, rules("delay", "20ms"), "delayed_packets"), 0);
    EXPECT_GT(suffer(cluster, rules("loss", 0.5), "lost_packets"), 0);
    EXPECT_GT(suffer(cluster, rules("duplicate", 0.5), "duplicated_packets"), 0);
    EXPECT_GT(suffer(cluster, rules("reorder", 0.5), "reordered_packets"), 0);
    EXPECT_GT(suffer(cluster, rules("corrupt", 0.5), "corrupted_packets"), 0);
    EXPECT_GT(suffer(cluster, rules("rate", "2KB/s"), "throttled_packets"), 0);
    const Fault clog = on("clog", {"n1"});
    ASSERT_TRUE(is_ok(cluster.apply(clog)));
    const long before = heard(cluster, "n1", "datagram.n2");
    EXPECT_TRUE(grows(cluster, "n2", "datagram.n3", 10)) << "these two are free";
    EXPECT_LE(heard(cluster, "n1", "datagram.n2"), before + 1) << "one may have been on its way to the queue";
    const auto healed = cluster.heal(clog);
    ASSERT_TRUE(is_ok(healed));
    EXPECT_GT(healed.value().get("held_packets").as_integer(), 0);
    EXPECT_TRUE(grows(cluster, "n1", "datagram.n2"));
    const auto all = cluster.heal_all();
    ASSERT_TRUE(is_ok(all));
    EXPECT_EQ(all.value().get("sounded_links"), Value(4)) << all.value().to_string();
    EXPECT_TRUE(is_ok(cluster.tear_down()));
  }
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
  }
}

}  // namespace
}  // namespace faultline::live::remote
