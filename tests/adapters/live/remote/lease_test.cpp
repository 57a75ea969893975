// Connections break and harnesses die: requests act once, and what a dead harness left is healed and reported.
#include <faultline/live/local_cluster.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "adapters/live/remote/node_link.hpp"
#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
using live::test::eventually;
using test::is_ok;
using test::Nodes;

LinkOptions link_options(const Nodes& nodes, const NodeName& name, Duration time_to_live) {
  const Inventory inventory = nodes.parsed();
  return {.node = inventory.nodes.front(),
          .state = nodes.state(name).string(),
          .run_id = fresh_run_id(),
          .time_to_live = time_to_live,
          .agent = agent_at(FL_AGENT).value()};
}

TEST(RemoteLink, ARequestWhoseReplyIsLostActsOnce) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  NodeLink link(link_options(nodes, "n1", std::chrono::seconds(30)));
  ASSERT_TRUE(is_ok(link.connect()));
  ASSERT_TRUE(is_ok(link.start_keeper()));
  const std::string marks = (nodes.folder() / "marks").string();
  // The command ends its own ssh connection, whose reply can then not arrive, before it is done.
  std::thread breaker([&] {
    EXPECT_TRUE(eventually([&] { return fs::exists(marks); }));
    nodes.end_sshd("n1");
    nodes.start_sshd("n1");
  });
  const auto done = link.ask({{"do", "command"},
                              {"command", "echo mark >> " + marks + "; sleep 1"},
                              {"log", (nodes.folder() / "log").string()},
                              {"limit_ns", Duration(std::chrono::seconds(10)).count()}});
  breaker.join();
  ASSERT_TRUE(is_ok(done));
  EXPECT_EQ(done.value().value("status", -1), 0);
  EXPECT_EQ(live::test::read_file(marks), "mark\n");
  EXPECT_TRUE(is_ok(link.ask({{"do", "end"}})));
}

TEST(RemoteLink, ANodeThatHasHealedItselfIsLostAndSaysWhy) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  NodeLink link(link_options(nodes, "n1", std::chrono::seconds(30)));
  ASSERT_TRUE(is_ok(link.connect()));
  ASSERT_TRUE(is_ok(link.start_keeper()));
  for (const pid_t pid : test::agents_in(nodes.state("n1"))) ::kill(pid, SIGTERM);
  EXPECT_TRUE(test::ends(nodes, "n1"));
  const auto asked = link.ask({{"do", "dropped"}});
  ASSERT_FALSE(asked.ok());
  EXPECT_NE(asked.error().message.find("node n1 is lost"), std::string::npos) << asked.error().message;
  EXPECT_NE(asked.error().message.find("the node has healed itself: was asked to end by SIGTERM"), std::string::npos)
      << asked.error().message;
  EXPECT_TRUE(link.is_lost());
}

TEST(RemoteLink, CommandsSayTheirStatusAndFilesKeepTheirBytes) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  auto session = ssh::Session::connect(nodes.parsed().nodes.front().ssh);
  ASSERT_TRUE(is_ok(session));
  const auto done = session.value()->run("echo out; echo err >&2; exit 7", std::chrono::seconds(10));
  ASSERT_TRUE(is_ok(done));
  EXPECT_EQ(done.value().status, 7);
  EXPECT_EQ(done.value().output, "out\n");
  EXPECT_EQ(done.value().errors, "err\n");
  const auto large = session.value()->run("head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2",
                                          std::chrono::seconds(20));
  ASSERT_TRUE(is_ok(large));
  EXPECT_EQ(large.value().status, 0);
  EXPECT_EQ(large.value().output.size(), 1U << 20) << "bounded, and it does not block";
  EXPECT_FALSE(session.value()->run("sleep 5", std::chrono::milliseconds(300)).ok());
  std::string bytes;
  for (int i = 0; i < 300000; ++i) bytes += static_cast<char>(i * 7 % 256);
  std::ofstream(nodes.folder() / "local", std::ios::binary) << bytes;
  const std::string there = (nodes.folder() / "there").string();
  ASSERT_TRUE(is_ok(session.value()->upload(nodes.folder() / "local", there, 0640)));
  EXPECT_EQ(live::test::read_file(there), bytes);
  EXPECT_EQ(fs::status(there).permissions(), fs::perms(0640));
  ASSERT_TRUE(is_ok(session.value()->upload(nodes.folder() / "id.pub", there, 0600))) << "it is replaced";
  ASSERT_TRUE(is_ok(session.value()->download(there, nodes.folder() / "back", 16)));
  EXPECT_EQ(live::test::read_file(nodes.folder() / "back"),
            live::test::read_file(there).substr(fs::file_size(there) - 16));
  EXPECT_FALSE(session.value()->download(there + "not", nodes.folder() / "back", 16).ok());
  EXPECT_EQ(session.value()->files(nodes.folder().path().string() + "/nowhere").value().size(), 0U);
}

TEST(RemoteLink, AnUploadThatIsNotWhatItsNameSaysIsReplaced) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  {
    NodeLink link(link_options(nodes, "n1", std::chrono::seconds(30)));
    ASSERT_TRUE(is_ok(link.connect()));
  }
  const auto names = live::test::entries(nodes.state("n1") / "bin");
  ASSERT_EQ(names.size(), 1U);
  const fs::path agent = nodes.state("n1") / "bin" / names.front();
  fs::resize_file(agent, fs::file_size(agent) / 2);
  NodeLink link(link_options(nodes, "n1", std::chrono::seconds(30)));
  EXPECT_TRUE(is_ok(link.connect()));
  EXPECT_EQ(live::test::read_file(agent), live::test::read_file(FL_AGENT));
}

TEST(RemoteLease, ANodeHealsWhatLapsesAndTheNextStartReportsIt) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  const Inventory inventory = nodes.parsed("time-to-live = \"3s\"");
  const pid_t harness = ::fork();
  if (harness == 0) {
    // A harness that breaks what it can and is killed in the middle of it.
    LocalCluster cluster(test::gossip_on(nodes, inventory));
    const bool done =
        cluster.set_up().ok() &&
        cluster.apply({.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2", "n3"}}}, .parameters = {}}).ok() &&
        cluster.apply({.kind = "pause", .nodes = {"n2"}, .grudge = {}, .parameters = {}}).ok() &&
        cluster
            .apply({.kind = "clock",
                    .nodes = {"n3"},
                    .grudge = {},
                    .parameters = Value::map({{"change", "jump"}, {"by", "1h"}})})
            .ok();
    std::ofstream(nodes.folder() / "broken") << done;
    ::pause();
    ::_exit(0);
  }
  const fs::path broken = nodes.folder() / "broken";
  ASSERT_TRUE(eventually([&] { return fs::exists(broken) && fs::file_size(broken) > 0; }, std::chrono::seconds(60)));
  EXPECT_EQ(live::test::read_file(broken), "1");
  EXPECT_NE(nodes.rules("n1"), "");
  std::vector<std::string> notes;
  {
    LocalCluster early(test::gossip_on(nodes, inventory, &notes));
    const auto refused = early.set_up();
    ASSERT_FALSE(refused.ok()) << "somebody else's harness may be alive";
    EXPECT_NE(refused.error().message.find("node n1 is in use by run "), std::string::npos) << refused.error().message;
  }
  ::kill(harness, SIGKILL);
  ::waitpid(harness, nullptr, 0);
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
  }
  notes.clear();
  LocalCluster next(test::gossip_on(nodes, inventory, &notes));
  EXPECT_TRUE(is_ok(next.set_up()));
  std::string all;
  for (const auto& note : notes) all += note + "\n";
  EXPECT_NE(all.find("node n1: heard nothing of the harness for 3 s"), std::string::npos) << all;
  EXPECT_NE(all.find("node n1: removed the rules that dropped packets"), std::string::npos) << all;
  EXPECT_NE(all.find("node n2: resumed process "), std::string::npos) << all;
  EXPECT_NE(all.find("node n3: set the clocks of process "), std::string::npos) << all;
}

// Breaks disk, packets and processor of each node, and a file that rests.
bool break_all(LocalCluster& cluster, bool packets) {
  const auto apply = [&](const std::string& kind, const NodeName& node, Value parameters) {
    const auto applied =
        cluster.apply({.kind = kind, .nodes = {node}, .grudge = {}, .parameters = std::move(parameters)});
    if (!applied) std::fprintf(stderr, "%s\n", applied.error().to_string().c_str());
    return applied.ok();
  };
  std::ofstream(cluster.place("n3").data_directory / "resting") << "as it was";
  return apply("bit_flip", "n3", Value::map({{"file", "resting"}})) &&
         apply("slow_disk", "n1", Value::map({{"latency", "20ms"}})) &&
         apply("io_error", "n2", Value::map({{"file", "unsynced"}})) &&
         apply("pressure", "n2", Value::map({{"speed", 0.1}})) &&
         (!packets ||
          (apply("packet", "n1", Value::map({{"delay", "50ms"}, {"loss", 0.1}})) && apply("clog", "n3", Value())));
}

std::vector<std::string> cgroups_of(const std::string& run) {
  std::vector<std::string> found;
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/cpu"}) {
    for (const auto& name : live::test::entries(root)) {
      if (name.starts_with("faultline-" + run)) found.push_back(name);
    }
  }
  return found;
}

// A harness in a process of its own, killed when it has broken everything. `keepers_too`: those on the nodes as well.
void kill_amid_faults(bool keepers_too) {
  Nodes nodes;
  const bool packets = test::can_queue_packets();
  const std::string data = (nodes.folder() / "data").string();
  const Inventory inventory = nodes.parsed(keepers_too ? "time-to-live = \"10m\"" : "time-to-live = \"3s\"",
                                           "[targets.gossip]\ndata-directory = \"" + data + "/{node}\"\n");
  auto options = test::writers_on(nodes, inventory);
  options.run_id = fresh_run_id();
  options.needs.packets = packets;
  const pid_t harness = ::fork();
  if (harness == 0) {
    LocalCluster cluster(options);
    const auto up = cluster.set_up();
    if (!up) std::fprintf(stderr, "%s\n", up.error().to_string().c_str());
    std::ofstream(nodes.folder() / "broken") << (up.ok() && break_all(cluster, packets));
    ::pause();
    ::_exit(0);
  }
  const fs::path broken = nodes.folder() / "broken";
  ASSERT_TRUE(eventually([&] { return fs::exists(broken) && fs::file_size(broken) > 0; }, std::chrono::seconds(60)));
  EXPECT_EQ(live::test::read_file(broken), "1");
  EXPECT_FALSE(live::test::entries(data + "/n1").empty());
  ::kill(harness, SIGKILL);
  ::waitpid(harness, nullptr, 0);
  if (keepers_too) {
    for (const NodeName node : {"n1", "n2", "n3"}) {
      for (const pid_t pid : test::agents_in(nodes.state(node))) ::kill(pid, SIGKILL);
    }
    const auto healed = nodes.faultline({"doctor", "--heal"});
    EXPECT_EQ(healed.status, 0) << healed.output << healed.errors;
    EXPECT_NE(healed.output.find("node n3: put back what was changed in " + data + "/n3/"), std::string::npos)
        << healed.output;
  }
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
    EXPECT_TRUE(live::test::entries(data + "/" + node).empty()) << node;
  }
  EXPECT_TRUE(cgroups_of(options.run_id).empty());
  EXPECT_TRUE(eventually([&] { return processes_with_environment("FAULTLINE_RUN=" + options.run_id).empty(); }));
  if (keepers_too) return;
  std::vector<std::string> notes;
  LocalCluster next(test::gossip_on(nodes, nodes.parsed(), &notes));
  EXPECT_TRUE(is_ok(next.set_up()));
  std::string all;
  for (const auto& note : notes) all += note + "\n";
  EXPECT_NE(all.find("node n1: ended 1 faults of its disk"), std::string::npos) << all;
  EXPECT_NE(all.find("node n2: gave the daemon its whole processor back"), std::string::npos) << all;
  EXPECT_NE(all.find("node n3: put back what was changed in "), std::string::npos) << all;
  if (packets) {
    EXPECT_NE(all.find("node n1: removed the rules that held or changed packets"), std::string::npos) << all;
  }
}

TEST(RemoteLease, DisksPacketsAndProcessorsAreHealedWhenTheLeaseOfADeadHarnessLapses) {
  if (test::can_host_nodes() && test::can_break_disks()) kill_amid_faults(false);
}

TEST(RemoteLease, DisksPacketsAndProcessorsAreHealedByTheJournalsWhenHarnessAndKeepersAreKilled) {
  if (test::can_host_nodes() && test::can_break_disks()) kill_amid_faults(true);
}

TEST(RemoteLease, WhatADeadHarnessLeftIsHealedByItsJournalBeforeTheLeaseLapses) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  const Inventory inventory = nodes.parsed("time-to-live = \"10m\"");
  const pid_t harness = ::fork();
  if (harness == 0) {
    LocalCluster cluster(test::gossip_on(nodes, inventory));
    const bool done =
        cluster.set_up().ok() && cluster.apply({.kind = "pause", .nodes = {"n1"}, .grudge = {}, .parameters = {}}).ok();
    std::ofstream(nodes.folder() / "broken") << done;
    ::pause();
    ::_exit(0);
  }
  const fs::path broken = nodes.folder() / "broken";
  ASSERT_TRUE(eventually([&] { return fs::exists(broken) && fs::file_size(broken) > 0; }, std::chrono::seconds(60)));
  ::kill(harness, SIGKILL);
  ::waitpid(harness, nullptr, 0);
  // One keeper dies, too: its journal on the node does.
  for (const pid_t pid : test::agents_in(nodes.state("n2"))) ::kill(pid, SIGKILL);
  EXPECT_NE(nodes.rules("n2"), "");
  const auto first = nodes.faultline({"doctor", "--heal"});
  EXPECT_EQ(first.status, 0) << first.output << first.errors;
  EXPECT_NE(first.output.find("node n1: resumed process"), std::string::npos) << first.output;
  EXPECT_NE(first.output.find("node n2: removed the rules"), std::string::npos) << first.output;
  EXPECT_TRUE(test::ends(nodes, "n1"));
  EXPECT_EQ(nodes.rules("n1") + nodes.rules("n2"), "");
  const auto again = nodes.faultline({"doctor", "--heal"});
  EXPECT_EQ(again.output, "nothing was left behind\n");
}

}  // namespace
}  // namespace faultline::live::remote
