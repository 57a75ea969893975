// `faultline run` against remote nodes, as a user has it.
#include <gtest/gtest.h>

#include <signal.h>
#include <nlohmann/json.hpp>

#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
using live::test::Folder;
using nlohmann::json;
using test::Nodes;

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Every file below the folder that holds the text.
std::vector<std::string> files_with(const fs::path& folder, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && holds(live::test::read_file(entry.path()), text))
      found.push_back(entry.path().string());
  }
  return found;
}

std::vector<std::string> run_words(const Nodes& nodes, const fs::path& inventory, const std::string& target,
                                   const std::string& faults, const std::string& seconds) {
  std::vector<std::string> words{"run",
                                 "--target",
                                 target,
                                 "--inventory",
                                 inventory.string(),
                                 "--nemesis",
                                 faults,
                                 "--time-limit",
                                 seconds,
                                 "--rate",
                                 "100/s",
                                 "--seed",
                                 "7",
                                 "--out",
                                 (nodes.folder() / "runs").string(),
                                 "--json"};
  std::istringstream names(faults);
  for (std::string name; faults != "none" && std::getline(names, name, ',');) {
    words.emplace_back("--set");
    words.push_back("nemesis." + name + ".interval=1s");
  }
  return words;
}

void expect_valid(const Nodes& nodes, const CommandResult& done, const std::vector<std::string>& faults) {
  EXPECT_EQ(done.status, 0) << done.output << done.errors;
  const json verdict = json::parse(done.output, nullptr, false);
  ASSERT_TRUE(verdict.is_object()) << done.output;
  EXPECT_EQ(verdict["verdict"], "valid");
  for (const std::string& kind : faults) {
    bool bit = false;
    for (const auto& fault : verdict["faults"]) bit = bit || (fault["kind"] == kind && fault["count"] > 0);
    EXPECT_TRUE(bit) << kind << ": " << verdict["faults"].dump();
  }
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
    EXPECT_FALSE(live::test::entries(nodes.folder() / ("runs/latest/nodes/" + node)).empty());
  }
}

TEST(RemoteRun, RaftStaysLinearizableUnderFaultsOverSshWithAnUploadedBinary) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  const fs::path inventory = nodes.write_inventory("", nodes.raft_table());
  const auto done = nodes.faultline(run_words(nodes, inventory, "raft", "partition,kill,pause,clock,wipe", "12s"));
  expect_valid(nodes, done, {"partition", "kill", "pause", "clock", "wipe"});
}

TEST(RemoteRun, EtcdStaysLinearizableUnderFaultsOverSsh) {
  if (!test::can_host_nodes()) return;
  if (!find_program("etcd").ok()) {
    std::printf("etcd is not installed here\n");
    return;
  }
  Nodes nodes;
  const auto done =
      nodes.faultline(run_words(nodes, nodes.write_inventory(), "etcd", "partition,kill,pause,clock", "10s"));
  expect_valid(nodes, done, {"partition", "kill", "pause", "clock"});
}

// A deployment of its own: commands of the user start and end it, its pid file tells who it is, and it says its secrets aloud.
constexpr const char* deployment = R"(
[targets.raft]
setup = "mkdir -p $FAULTLINE_DATA; echo setting up with $TOKEN"
teardown = "echo torn down with $TOKEN; rm -rf $FAULTLINE_DATA"
start = '''
echo "starting $ZONE with $TOKEN"
cluster=$(i=0; for peer in $(echo $FAULTLINE_PEERS | tr , ' '); do i=$((i+1)); host=${peer#*=}; printf '%s%s=%s/%s' "${comma}" $i $host ${host%:*}:$FAULTLINE_CLIENT_PORT; comma=,; done)
setsid RAFTD --id=${FAULTLINE_NODE#n} --cluster="$cluster" --token=t --listen=$FAULTLINE_ADDRESS:$FAULTLINE_CLIENT_PORT \
  --peer-listen=$FAULTLINE_ADDRESS:$FAULTLINE_PEER_PORT --data=$FAULTLINE_DATA/raft &
echo $! > FOLDER/$FAULTLINE_NODE.pid
'''
pid-file = "FOLDER/{node}.pid"
data-directory = "FOLDER/{node}-data"
log-files = ["FOLDER/{node}.pid"]
)";

TEST(RemoteRun, AnyDeploymentIsDrivenByItsOwnCommandsAndNoSecretIsKept) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  std::string tables = deployment;
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>("RAFTD", FL_RAFTD), {"FOLDER", nodes.folder().path().string()}}) {
    for (std::size_t at = 0; (at = tables.find(from, at)) != std::string::npos; at += to.size())
      tables.replace(at, from.size(), to);
  }
  const std::string secret = "correct-horse-battery";
  const fs::path inventory =
      nodes.write_inventory("[variables]\nZONE = \"west\"\n[secrets]\nTOKEN = \"" + secret + "\"\n", tables);
  const auto done = nodes.faultline(run_words(nodes, inventory, "raft", "kill,pause,clock", "6s"));
  expect_valid(nodes, done, {"kill", "pause", "clock"});
  EXPECT_FALSE(holds(done.output + done.errors, secret));
  EXPECT_TRUE(files_with(nodes.folder() / "runs", secret).empty());
  EXPECT_TRUE(files_with(nodes.folder() / "runs", "PRIVATE KEY").empty());
  EXPECT_TRUE(files_with(nodes.folder() / "state", secret).empty()) << "nor in a journal";
  const fs::path logs = nodes.folder() / "runs/latest/nodes/n2";
  EXPECT_TRUE(holds(live::test::read_file(logs / "setup.log"), "setting up with ***"));
  EXPECT_TRUE(holds(live::test::read_file(logs / "teardown.log"), "torn down with ***"));
  EXPECT_TRUE(holds(live::test::read_file(logs / "daemon.log"), "starting west with ***"));
  EXPECT_TRUE(fs::exists(logs / "n2.pid"));
  EXPECT_FALSE(fs::exists(nodes.folder() / "n2-data"));
}

TEST(RemoteRun, ANodeThatVanishesInTheMiddleEndsTheRunWithThreeAndTheHistoryIsKept) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  const fs::path inventory = nodes.write_inventory("time-to-live = \"4s\"", nodes.raft_table());
  std::chrono::steady_clock::time_point vanished;
  std::thread cutter([&] {
    const fs::path history = nodes.folder() / "runs/latest/history.jsonl";
    EXPECT_TRUE(live::test::eventually([&] { return fs::exists(history) && fs::file_size(history) > 0; },
                                       std::chrono::minutes(3)));
    nodes.set_wire("n3", false);
    vanished = std::chrono::steady_clock::now();
  });
  const auto done = nodes.faultline(run_words(nodes, inventory, "raft", "none", "4m"));
  cutter.join();
  EXPECT_LT(std::chrono::steady_clock::now() - vanished, std::chrono::seconds(90))
      << "its renewals fail, and nobody waits";
  EXPECT_EQ(done.status, 3) << done.output << done.errors;
  EXPECT_TRUE(holds(done.output, "node n3 is lost: ")) << done.output;
  EXPECT_GT(fs::file_size(nodes.folder() / "runs/latest/history.jsonl"), 1000U);
  EXPECT_TRUE(fs::exists(nodes.folder() / "runs/latest/report.html"));
  EXPECT_TRUE(test::ends(nodes, "n1"));
  nodes.set_wire("n3", true);
  EXPECT_TRUE(test::ends(nodes, "n3"));
  const auto healed = nodes.faultline({"doctor", "--heal"});
  EXPECT_TRUE(holds(healed.output, "node n3: heard nothing of the harness")) << healed.output << healed.errors;
}

TEST(RemoteRun, ANodeWhoseSshdAndKeeperDieEndsTheRunAndTheOthersAreHealed) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  const fs::path inventory = nodes.write_inventory("", nodes.raft_table());
  std::chrono::steady_clock::time_point vanished;
  std::thread killer([&] {
    const fs::path history = nodes.folder() / "runs/latest/history.jsonl";
    EXPECT_TRUE(live::test::eventually([&] { return fs::exists(history) && fs::file_size(history) > 0; },
                                       std::chrono::minutes(3)));
    for (const pid_t pid : test::agents_in(nodes.state("n2"))) ::kill(pid, SIGKILL);
    nodes.end_sshd("n2");
    vanished = std::chrono::steady_clock::now();
  });
  const auto done = nodes.faultline(run_words(nodes, inventory, "raft", "none", "4m"));
  killer.join();
  EXPECT_LT(std::chrono::steady_clock::now() - vanished, std::chrono::seconds(90)) << "nobody waits for its end";
  EXPECT_EQ(done.status, 3) << done.output << done.errors;
  EXPECT_TRUE(holds(done.output, "node n2 is lost: 5 attempts failed")) << done.output;
  EXPECT_TRUE(test::ends(nodes, "n1"));
  EXPECT_TRUE(test::ends(nodes, "n3"));
  EXPECT_EQ(nodes.rules("n1") + nodes.rules("n3"), "");
  EXPECT_GT(fs::file_size(nodes.folder() / "runs/latest/history.jsonl"), 1000U);
  // Its keeper is dead, so that only its journal tells what to undo.
  nodes.start_sshd("n2");
  const auto healed = nodes.faultline({"doctor", "--heal"});
  EXPECT_EQ(healed.status, 0) << healed.output << healed.errors;
  EXPECT_EQ(nodes.rules("n2"), "");
}

TEST(RemoteRun, DoctorSaysWhatEachNodeCanDo) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1", "n2"});
  const fs::path inventory = nodes.write_inventory("settable-clock = true");
  fs::remove(nodes.folder() / "n2-host.pub");
  std::ofstream(nodes.folder() / "known_hosts")
      << nodes.address("n1") << " " << live::test::read_file(nodes.folder() / "n1-host.pub");
  const auto done = nodes.faultline({"doctor", "--inventory", inventory.string()});
  EXPECT_EQ(done.status, 3) << done.errors;
  EXPECT_TRUE(holds(done.output, "ok        n1 ssh      node root@10.99.0.1:22  -\n")) << done.output;
  EXPECT_TRUE(holds(done.output, "ok        n1 filter ")) << done.output;
  EXPECT_TRUE(holds(done.output, " ports       --nemesis directed")) << done.output;
  EXPECT_TRUE(holds(
      done.output,
      "degraded  n1 clocks   --nemesis clock, by setting the machine's  its clock must not be set: the harness itself"))
      << done.output;
  const auto expect_line = [&](bool works, const std::string& ability) {
    EXPECT_TRUE(holds(done.output, (works ? "ok        n1 " : "degraded  n1 ") + ability)) << done.output;
  };
  expect_line(test::can_queue_packets(), "packets ");
  expect_line(test::can_break_disks(), "disks ");
  EXPECT_TRUE(holds(done.output, " n1 pressure ")) << done.output;
  EXPECT_TRUE(holds(done.output, "missing   n2 ssh ")) << done.output;
  EXPECT_TRUE(holds(done.output, "unknown host key")) << done.output;
  EXPECT_TRUE(test::ends(nodes, "n1"));
}

TEST(RemoteRun, WhatIsWrongWithAnInventoryIsSaidBeforeAnythingStarts) {
  const Folder folder;
  std::ofstream(folder / "nodes.toml") << "[nodes.n1]\naddres = \"10.0.0.1\"\n";
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{
        FL_FAULTLINE, "run", "--inventory", (folder / "nodes.toml").string(), "--out", (folder / "runs").string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words, "", "").value();
  };
  const auto wrong = run({});
  EXPECT_EQ(wrong.status, 64);
  EXPECT_TRUE(holds(wrong.errors, "nodes.toml:2:1: error: unknown key 'nodes.n1.addres'; did you mean 'address'?"))
      << wrong.errors;
  EXPECT_FALSE(fs::exists(folder / "runs"));
  std::ofstream(folder / "nodes.toml") << "[nodes.n1]\naddress = \"10.0.0.1\"\n";
  EXPECT_TRUE(holds(run({"--nodes", "3"}).errors, "has 1 nodes"));
  EXPECT_TRUE(
      holds(run({"--endpoints", "http://10.0.0.1:2379"}).errors, "--inventory cannot be used with --endpoints"));
}

}  // namespace
}  // namespace faultline::live::remote
