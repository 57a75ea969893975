#include <faultline/live/inventory.hpp>

#include <gtest/gtest.h>

#include "adapters/live/remote/node_link.hpp"

namespace faultline::live::remote {
namespace {

Inventory good(const std::string& text) {
  auto parsed = parse_inventory(text, "/etc/lab/nodes.toml");
  EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.error().to_string());
  return parsed ? parsed.value() : Inventory{};
}

std::string problems(const std::string& text) {
  const auto parsed = parse_inventory(text, "nodes.toml");
  EXPECT_FALSE(parsed.ok());
  EXPECT_TRUE(parsed.ok() || parsed.error().kind == ErrorKind::bad_input);
  return parsed.ok() ? "" : parsed.error().message;
}

TEST(Inventory, KeysAboveTheNodesCountForAllAndANodesOwnWin) {
  const Inventory all = good(R"(user = "ops"
key = "lab_key"
sudo = true
time-to-live = "1m"
[variables]
ZONE = "a"
[secrets]
TOKEN = "hunter22"
[nodes.n10]
address = "10.0.0.10"
port = 2222
user = "root"
sudo = false
variables = { ZONE = "b" }
[nodes.n2]
address = "10.0.0.2"
ssh-address = "lab.example"
[targets.etcd]
binary = "/opt/{ZONE}/etcd"
log-files = ["/var/log/{node}.log"]
)");
  ASSERT_EQ(all.nodes.size(), 2U);
  EXPECT_EQ(all.nodes[0].name, "n10") << "in the order of the file";
  EXPECT_EQ(all.nodes[0].ssh.user, "root");
  EXPECT_EQ(all.nodes[0].ssh.port, 2222);
  EXPECT_FALSE(all.nodes[0].sudo);
  EXPECT_EQ(all.nodes[0].ssh.host, "10.0.0.10");
  EXPECT_EQ(all.nodes[1].ssh.host, "lab.example");
  EXPECT_EQ(all.nodes[1].ssh.user, "ops");
  EXPECT_TRUE(all.nodes[1].sudo);
  EXPECT_EQ(all.nodes[1].ssh.key, "/etc/lab/lab_key") << "relative to the file";
  EXPECT_EQ(all.time_to_live, Duration(std::chrono::minutes(1)));
  EXPECT_EQ(fill_in(all.targets.at("etcd").binary, all.nodes[0]), "/opt/b/etcd");
  EXPECT_EQ(fill_in(all.targets.at("etcd").log_files[0], all.nodes[1]), "/var/log/n2.log");
  EXPECT_EQ(all.nodes[1].variables.at("TOKEN"), "hunter22");
  EXPECT_EQ(all.nodes[1].secrets, std::vector<std::string>{"hunter22"});
}

TEST(Inventory, EveryProblemIsReportedAtOnceWithItsPlace) {
  EXPECT_EQ(
      problems(R"(usr = "root"
port = 0
sudo = "yes"
time-to-live = 15
[nodes.n1]
adress = "10.0.0.1"
[nodes.n2]
address = "10.0.0.2"
[nodes.n3]
address = "10.0.0.2"
[targets.etcd]
stop = "x"
binary = "/opt/{ZONE}/etcd"
)"),
      "nodes.toml:1:1: error: unknown key 'usr'; did you mean 'user'?\n"
      "nodes.toml:2:8: error: port: a port is expected, 1 to 65535\n"
      "nodes.toml:3:8: error: sudo: true or false is expected\n"
      "nodes.toml:4:16: error: time-to-live: a duration needs a unit: \"15s\", \"1m\"\n"
      "nodes.toml:5:8: error: nodes.n1: it has no address; write address = \"10.0.0.1\"\n"
      "nodes.toml:6:1: error: unknown key 'nodes.n1.adress'; did you mean 'address'?\n"
      "nodes.toml:9:8: error: nodes.n3: another node has this address, too; faults tell nodes by their addresses\n"
      "nodes.toml:11:10: error: targets.etcd: stop, kill, pid-file and pattern go with start\n"
      "nodes.toml:13:10: error: {ZONE} is none of {node}, {address}, {client-port}, {peer-port} and the variables of "
      "n1");
}

TEST(Inventory, NoProblemRepeatsTheValueOfAVariable) {
  const std::string text = problems(R"([variables]
bad-name = "hunter22"
[secrets]
A = "abc"
[nodes.n1]
address = "10.0.0.1"
variables = { B = 23571113 }
)");
  EXPECT_EQ(text.find("hunter22"), std::string::npos) << text;
  EXPECT_EQ(text.find("23571113"), std::string::npos) << text;
  EXPECT_EQ(text.find("\"abc\""), std::string::npos) << text;
  EXPECT_NE(text.find("too short to be masked"), std::string::npos) << text;
}

TEST(Inventory, AFileThatIsNoTomlOrHasNoNodesSaysWhere) {
  EXPECT_EQ(problems("user = \"root\"\n"),
            "nodes.toml:1:1: error: there are no nodes: write [nodes.n1] with address = \"10.0.0.1\"");
  EXPECT_NE(problems("user = \n").find("nodes.toml:1:"), std::string::npos);
  EXPECT_NE(read_inventory("/nowhere.toml").error().message.find("/nowhere.toml: no such inventory"),
            std::string::npos);
}

TEST(Inventory, SecretsAreMaskedWhereverTheyOccur) {
  EXPECT_EQ(masked("a=hunter22&b=hunter22hunter22", {"hunter22"}), "a=***&b=******");
  EXPECT_EQ(masked("nothing", {"hunter22", ""}), "nothing");
}

}  // namespace
}  // namespace faultline::live::remote
