// Ways in: keys of ssh-agent, and sudo.
#include <gtest/gtest.h>

#include "adapters/live/remote/node_link.hpp"
#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

using test::is_ok;
using test::Nodes;

LinkOptions link_options(const InventoryNode& node, const Nodes& nodes) {
  return {.node = node,
          .state = nodes.state(node.name).string(),
          .run_id = fresh_run_id(),
          .time_to_live = std::chrono::seconds(30),
          .agent = agent_at(FL_AGENT).value()};
}

TEST(RemoteAccess, AKeyOfTheSshAgentLetsInWithoutAFile) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  const std::string socket = (nodes.folder() / "agent").string();
  Daemon agent({.name = "ssh-agent",
                .command = {"ssh-agent", "-D", "-a", socket},
                .environment = {},
                .log_file = nodes.folder() / "agent.log"},
               nullptr);
  ASSERT_TRUE(is_ok(agent.start()));
  ASSERT_TRUE(live::test::eventually([&] { return std::filesystem::exists(socket); }));
  InventoryNode node = nodes.parsed().nodes.front();
  node.ssh.key.clear();
  const char* home_before = std::getenv("HOME");
  const std::string home = home_before == nullptr ? "" : home_before;
  ::setenv("HOME", nodes.folder().path().c_str(), 1);  // no keys of whoever runs this
  ::setenv("SSH_AUTH_SOCK", socket.c_str(), 1);
  const auto before = ssh::Session::connect(node.ssh);
  ASSERT_FALSE(before.ok());
  EXPECT_NE(before.error().message.find("refused key: the server does not accept any key of ssh-agent"),
            std::string::npos)
      << before.error().message;
  ASSERT_TRUE(is_ok(run_checked({"ssh-add", "-q", (nodes.folder() / "id").string()}, "", "")));
  EXPECT_TRUE(is_ok(ssh::Session::connect(node.ssh)));
  ::unsetenv("SSH_AUTH_SOCK");
  ::setenv("HOME", home.c_str(), 1);
}

TEST(RemoteAccess, WithSudoTheAgentWorksAsRoot) {
  if (!test::can_host_nodes()) return;
  if (!find_program("sudo").ok()) {
    std::printf("no sudo here (apt install sudo)\n");
    return;
  }
  Nodes nodes({"n1"});
  InventoryNode node = nodes.parsed("sudo = true").nodes.front();
  ASSERT_TRUE(node.sudo);
  NodeLink link(link_options(node, nodes));
  ASSERT_TRUE(is_ok(link.connect()));
  const auto hello = link.start_keeper();
  ASSERT_TRUE(is_ok(hello));
  EXPECT_EQ(hello.value().value("uid", -1), 0);
  const auto agents = test::agents_in(nodes.state("n1"));
  ASSERT_FALSE(agents.empty());
  for (const pid_t pid : agents) {
    EXPECT_NE(read_proc("/proc/" + std::to_string(pid) + "/environ").find("SUDO_UID="), std::string::npos);
  }
  EXPECT_TRUE(is_ok(link.ask({{"do", "end"}})));
}

}  // namespace
}  // namespace faultline::live::remote
