// What goes wrong with remote nodes ends in a message that names the node, and everything else is healed.
#include <faultline/live/local_cluster.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

using live::test::eventually;
using test::is_ok;
using test::Nodes;

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The error of a set_up; then nothing of it remains on any node.
std::string failing_set_up(const Nodes& nodes, const Inventory& inventory, LocalClusterOptions options) {
  LocalCluster cluster(std::move(options));
  const auto up = cluster.set_up();
  EXPECT_FALSE(up.ok());
  (void)cluster.tear_down().ok();
  for (const auto& node : inventory.nodes) {
    EXPECT_TRUE(test::ends(nodes, node.name)) << node.name;
    EXPECT_EQ(nodes.rules(node.name), "");
  }
  return up.ok() ? "" : up.error().to_string();
}

std::string failing_set_up(const Nodes& nodes, const Inventory& inventory) {
  return failing_set_up(nodes, inventory, test::gossip_on(nodes, inventory));
}

TEST(RemoteFailure, AWrongOrUnknownHostKeyIsRefusedWithTheRemedy) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  // n2's key is given to n1, and n2 has none.
  std::ofstream(nodes.folder() / "known_hosts")
      << nodes.address("n1") << " " << live::test::read_file(nodes.folder() / "n2-host.pub");
  const std::string wrong = failing_set_up(nodes, nodes.parsed());
  EXPECT_TRUE(holds(wrong, "node n1: root@10.99.0.1:22: wrong host key")) << wrong;
  EXPECT_TRUE(holds(wrong, "node n2: root@10.99.0.2:22: unknown host key SHA256:")) << wrong;
  EXPECT_TRUE(holds(wrong, "ssh-key")) << wrong;
  const Inventory unchecked = nodes.parsed("check-host-key = false");
  LocalCluster cluster(test::gossip_on(nodes, unchecked));
  EXPECT_TRUE(is_ok(cluster.set_up())) << "who asks for it gets it";
}

TEST(RemoteFailure, ARefusedKeyNamesNodeUserAndKey) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  ASSERT_TRUE(
      run_checked({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", (nodes.folder() / "other").string()}, "", "")
          .ok());
  const std::string refused = failing_set_up(nodes, nodes.parsed("", "key = \"other\"\n"));
  EXPECT_TRUE(holds(refused, "node n2: root@10.99.0.2:22: refused key: the server does not accept the key "))
      << refused;
  EXPECT_TRUE(holds(refused, "/other")) << refused;
  EXPECT_TRUE(holds(refused, "authorized_keys")) << refused;
  EXPECT_FALSE(holds(refused, "node n1")) << refused;
  const std::string absent = failing_set_up(nodes, nodes.parsed("", "key = \"nowhere\"\n"));
  EXPECT_TRUE(holds(absent, "cannot read the key file")) << absent;
  ASSERT_TRUE(
      run_checked({"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", (nodes.folder() / "locked").string()}, "",
                  "")
          .ok());
  const std::string locked = failing_set_up(nodes, nodes.parsed("", "key = \"locked\"\n"));
  EXPECT_TRUE(holds(locked, "needs a passphrase")) << locked;
}

TEST(RemoteFailure, AMissingBinaryNamesTheNode) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  auto options = test::gossip_on(nodes, nodes.parsed());
  const auto spec = options.node_spec;
  options.node_spec = [spec](const NodePlace& self, std::span<const NodePlace> all) {
    NodeSpec changed = spec(self, all);
    if (self.name == "n2") changed.command.front() = "/nowhere/gossip";
    return changed;
  };
  const std::string missing = failing_set_up(nodes, nodes.parsed(), std::move(options));
  EXPECT_TRUE(holds(missing, "node n2")) << missing;
  EXPECT_TRUE(holds(missing, "/nowhere/gossip")) << missing;
}

TEST(RemoteFailure, AFullDiskNamesTheNode) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  if (::mount("faultline-test", nodes.state("n2").c_str(), "tmpfs", 0, "size=256k") != 0) {
    std::printf("cannot mount a small disk here\n");
    return;
  }
  const std::string full = failing_set_up(nodes, nodes.parsed());
  EXPECT_TRUE(holds(full, "node n2")) << full;
  EXPECT_TRUE(holds(full, "its disk is full")) << full;
  EXPECT_TRUE(holds(full, "make room on the node")) << full;
  EXPECT_EQ(::umount2(nodes.state("n2").c_str(), MNT_DETACH), 0);
}

TEST(RemoteFailure, ANodeThatVanishesIsLostTheOthersHealAndItHealsItself) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  const Inventory inventory = nodes.parsed("time-to-live = \"4s\"");
  LocalCluster cluster(test::gossip_on(nodes, inventory));
  ASSERT_TRUE(is_ok(cluster.set_up()));
  const Fault cut{.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2"}}, {"n2", {"n1"}}}, .parameters = {}};
  ASSERT_TRUE(is_ok(cluster.apply(cut)));
  const auto paused = cluster.apply({.kind = "pause", .nodes = {"n2"}, .grudge = {}, .parameters = {}});
  ASSERT_TRUE(is_ok(paused));
  const auto pid = static_cast<pid_t>(paused.value().get("paused").get("n2").as_integer());
  nodes.set_wire("n2", false);
  const auto healed = cluster.heal_all();
  ASSERT_FALSE(healed.ok());
  EXPECT_TRUE(holds(healed.error().message, "node n2 is lost: 5 attempts failed")) << healed.error().message;
  EXPECT_FALSE(holds(healed.error().message, "node n1 is lost")) << healed.error().message;
  EXPECT_FALSE(cluster.tear_down().ok());
  EXPECT_EQ(nodes.rules("n1"), "") << "the nodes that are there are healed";
  EXPECT_TRUE(test::ends(nodes, "n2"));
  EXPECT_EQ(nodes.rules("n2"), "") << "nobody told it to, but its lease has lapsed";
  EXPECT_FALSE(read_stat(pid).has_value());
  nodes.set_wire("n2", true);
}

}  // namespace
}  // namespace faultline::live::remote
