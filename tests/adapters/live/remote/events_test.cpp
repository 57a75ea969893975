// Events on remote nodes, and clients that are cut off from them: what is seen there is told here, and what met it waits for its fault.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <faultline/live/local_cluster.hpp>

#include "adapters/live/remote/client_ports.hpp"
#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using live::test::eventually;
using nlohmann::json;
using test::expect_bites;
using test::is_ok;
using test::Nodes;

// --- clients ---------------------------------------------------------------------------------------------------------------------------

TEST(ClientPorts, RangesLieOutsideOfTheKernelsAndDoNotOverlap) {
  for (const GivenPorts given : {GivenPorts{32768, 60999}, GivenPorts{10000, 20000}, GivenPorts{2000, 40000}}) {
    const auto ports = split_ports(given, 100);
    ASSERT_TRUE(is_ok(ports));
    ASSERT_EQ(ports.value().size(), 100U);
    int before = 9999;
    for (const auto& range : ports.value()) {
      EXPECT_GT(range->first(), before);
      EXPECT_GE(range->size(), 16U);
      EXPECT_TRUE(range->last() < given.first || range->first() > given.last);
      before = range->last();
    }
  }
  EXPECT_FALSE(split_ports({1024, 65535}, 1).ok()) << "no room is left";
  EXPECT_FALSE(split_ports({32768, 60999}, 5000).ok());
  EXPECT_EQ(given_ports("32768\t60999").value().last, 60999);
  EXPECT_FALSE(given_ports("60999 32768").ok());
}

TEST(ClientPorts, EachConnectionComesFromTheNextPort) {
  SourcePorts ports(10000, 10002);
  std::vector<int> given;
  for (int i = 0; i < 4; ++i) given.push_back(ports.next());
  EXPECT_EQ(given, (std::vector<int>{10000, 10001, 10002, 10000}));
}

bool reaches(const LocalCluster& cluster, const NodeName& node, std::size_t worker, Duration limit = 5s) {
  const ClientRoute route = cluster.client_route(node, worker);
  EXPECT_NE(route.ports, nullptr);
  const auto answered = is_answered(*route.ports, route.to, limit);
  EXPECT_TRUE(is_ok(answered));
  return answered.ok() && answered.value();
}

TEST(RemoteClients, OneClientIsCutOffFromOneNodeAndNobodyElseAndIsHeardAgain) {
  if (!test::can_host_nodes()) return;
  Nodes nodes;
  {
    auto options = test::gossip_on(nodes, nodes.parsed());
    options.needs.client_links = true;
    options.needs.workers = 4;
    LocalCluster cluster(std::move(options));
    ASSERT_TRUE(is_ok(cluster.set_up()));
    EXPECT_TRUE(reaches(cluster, "n1", 1));
    const Fault cut{.kind = "partition",
                    .nodes = {},
                    .grudge = {},
                    .parameters = Value::map({{"clients", Value::map({{"n1", Value::list({"c1"})}})}})};
    ASSERT_TRUE(is_ok(cluster.supports(cut)));
    const auto applied = cluster.apply(cut);
    ASSERT_TRUE(is_ok(applied));
    EXPECT_EQ(applied.value().get("cut_clients"), Value(1));
    EXPECT_FALSE(reaches(cluster, "n1", 1, 200ms));
    EXPECT_TRUE(reaches(cluster, "n1", 0)) << "another client";
    EXPECT_TRUE(reaches(cluster, "n2", 1)) << "another node";
    EXPECT_GE(live::test::heard(cluster, "n1", "stream.n2"), 0) << "the harness itself";
    const auto healed = cluster.heal(cut);
    ASSERT_TRUE(is_ok(healed));
    EXPECT_GT(healed.value().get("dropped_packets").as_integer(), 0);
    EXPECT_TRUE(reaches(cluster, "n1", 1));
    EXPECT_TRUE(is_ok(cluster.heal_all()));
    EXPECT_TRUE(is_ok(cluster.tear_down()));
  }
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
  }
}

TEST(RemoteClients, ClientsWithoutPortsOfTheirOwnAreNotCutOff) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  LocalCluster cluster(test::gossip_on(nodes, nodes.parsed()));
  ASSERT_TRUE(is_ok(cluster.set_up()));
  EXPECT_EQ(cluster.client_route("n1", 0).ports, nullptr);
  Fault cut{.kind = "partition",
            .nodes = {},
            .grudge = {},
            .parameters = Value::map({{"clients", Value::map({{"n1", Value::list({"c0"})}})}})};
  const auto refused = cluster.supports(cut);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("no ports of their own"), std::string::npos) << refused.error().message;
}

TEST(RemoteClients, PortsThatAreTranslatedOnTheWayAreNoticedBeforeTheRun) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  // In the namespace of the harness, which goes with the nodes.
  const auto translated = run_checked({"nft", "-f", "-"},
                                      "add table ip translate\nadd chain ip translate out { type nat hook postrouting "
                                      "priority 100; }\nadd rule ip translate out tcp sport 10000-32767 masquerade to "
                                      ":40000-50000\n",
                                      "");
  if (!translated) {
    std::printf("%s: addresses cannot be translated here\n", translated.error().to_string().c_str());
    return;
  }
  auto options = test::gossip_on(nodes, nodes.parsed());
  options.needs.client_links = true;
  LocalCluster cluster(std::move(options));
  const auto up = cluster.set_up();
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().to_string().find("address translation"), std::string::npos) << up.error().to_string();
  EXPECT_TRUE(is_ok(cluster.tear_down()));
  EXPECT_EQ(nodes.rules("n1"), "");
}

// --- calls -----------------------------------------------------------------------------------------------------------------------------

Decision on_call(std::uint64_t id, const std::string& kind, CallTrigger call) {
  return {.id = id,
          .when = EventTrigger{std::move(call), {}},
          .lasts = {},
          .fault = {.kind = kind, .nodes = {"n1"}, .grudge = {}, .parameters = {}}};
}

TEST(RemoteCalls, TheAwaitedCallWaitsOnItsNodeUntilTheFaultIsThereAndNotLongerThanItMay) {
  if (!test::can_host_nodes() || !test::can_break_disks()) return;
  Nodes nodes({"n1"});
  LocalCluster cluster(test::writers_on(nodes, nodes.parsed()));
  ASSERT_TRUE(is_ok(cluster.set_up()));
  const auto size = [&] {
    std::error_code error;
    return fs::file_size(cluster.place("n1").data_directory / "unsynced", error);
  };
  const auto board = std::make_shared<EventBoard>(
      Schedule{.seed = 1,
               .decisions = {on_call(1, "kill", {.call = "write", .node = "n1", .file = "unsynced", .nth = 5}),
                             on_call(2, "pause", {.call = "fsync", .node = "n1", .file = "synced", .nth = 3}),
                             on_call(3, "kill", {.call = "rename", .node = "n1", .file = "never"})}});
  board->open([] { return steady_now(); }, [] {});
  ASSERT_TRUE(is_ok(cluster.watch(board)));
  ASSERT_TRUE(eventually([&] { return board->when(1).has_value() && board->when(2).has_value(); }));
  const auto before = size();
  std::this_thread::sleep_for(200ms);
  const auto later = size();
  if (board->holds(1)) {
    EXPECT_EQ(later, before) << "a number every 20 ms is written otherwise";
  }
  EXPECT_FALSE(board->holds(2));
  board->performed(1);
  EXPECT_TRUE(eventually([&] { return size() > later; }));
  EXPECT_FALSE(board->when(3).has_value());
  board->close();
  EXPECT_TRUE(is_ok(cluster.tear_down()));
}

// --- frames ----------------------------------------------------------------------------------------------------------------------------

// Whoever leads sends appends to the two others; what waits for the others' appends waits in vain.
TEST(RemoteFrames, ThoseOfRaftAreSeenByTheNodesTheyReachAndTheirFaultsBite) {
  if (!test::can_host_nodes() || !test::can_queue_packets()) return;
  Nodes nodes;
  std::string decisions;
  int id = 0;
  for (const std::string from : {"n1", "n2", "n3"}) {
    for (const std::string to : {"n1", "n2", "n3"}) {
      if (from == to) continue;
      decisions += std::string(id == 0 ? "" : ",\n") + R"({"id":)" + std::to_string(id + 1) +
                   R"(,"on":{"frame":"AppendEntries","from":")" + from + R"(","to":")" + to +
                   R"(","nth":5},"for":"500ms","fault":{"kind":"partition","grudge":{")" + to + R"(":[")" + from +
                   R"("]}}})";
      ++id;
    }
  }
  std::ofstream(nodes.folder() / "frames.json") << R"({"version":1,"seed":3,"decisions":[)" << decisions << "]}";
  const CommandResult done =
      nodes.faultline({"run", "--target", "raft", "--inventory", nodes.write_inventory("", nodes.raft_table()).string(),
                       "--schedule", (nodes.folder() / "frames.json").string(), "--rate", "100/s", "--seed", "7",
                       "--time-limit", "4s", "--out", (nodes.folder() / "frames").string(), "--json"});
  ASSERT_EQ(done.status, 0) << done.output << done.errors;
  const json verdict = json::parse(done.output, nullptr, false);
  EXPECT_EQ(verdict["verdict"], "valid");
  ASSERT_EQ(verdict["faults"].size(), 1U);
  EXPECT_GE(verdict["faults"][0]["count"].get<int>(), 2) << done.errors;
  EXPECT_TRUE(verdict["faults"][0]["bit"].get<bool>()) << verdict["faults"].dump();
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
  }
}

TEST(RemoteFrames, ThoseOfADaemonThatIsStartedByACommandOfItsOwnAreRefused) {
  if (!test::can_host_nodes()) return;
  Nodes nodes({"n1"});
  auto options =
      test::gossip_on(nodes, nodes.parsed("", "[targets.gossip]\nstart = \"true\"\npid-file = \"/nowhere\"\n"));
  options.needs.frames = true;
  LocalCluster cluster(std::move(options));
  const auto up = cluster.set_up();
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().to_string().find("a start command of its own"), std::string::npos) << up.error().to_string();
}

// --- the whole -------------------------------------------------------------------------------------------------------------------------

// The calls come early, and the leader is killed when their faults are over, so that none of them hits a daemon that is down.
constexpr const char* schedule = R"({"version":1,"seed":11,"decisions":[
{"id":1,"on":{"role":"leader","after":"4s"},"for":"1s","fault":{"kind":"kill","parameters":{"target":"primaries"}}},
{"id":2,"on":{"heal":1,"after":"100ms"},"for":"1s","fault":{"kind":"partition","parameters":{"clients":{"n1":["c0","c3"],"n2":["c1"]}}}},
{"id":3,"on":{"call":"fsync","node":"n1","nth":9,"file":"FILE"},"for":"500ms","fault":{"kind":"kill","nodes":["n1"],"parameters":{"disk":"lose_unsynced"}}},
{"id":4,"on":{"call":"write","node":"n2","nth":9,"edge":"after","file":"FILE"},"for":"1s","fault":{"kind":"fsync_error","nodes":["n2"],"parameters":{"errno":"EIO","pages":"drop","file":"FILE"}}},
{"id":5,"on":{"heal":3},"for":"500ms","fault":{"kind":"pause","nodes":["n3"]}}]})";

std::map<std::string, int> run_events(const Nodes& nodes, const std::string& target, const std::string& file,
                                      bool remote) {
  std::string text = schedule;
  for (std::size_t at = 0; (at = text.find("FILE", at)) != std::string::npos;) text.replace(at, 4, file);
  const fs::path events = nodes.folder() / (target + ".json");
  std::ofstream(events) << text;
  std::vector<std::string> words{"run",
                                 "--target",
                                 target,
                                 "--schedule",
                                 events.string(),
                                 "--rate",
                                 "100/s",
                                 "--seed",
                                 "7",
                                 "--time-limit",
                                 "10s",
                                 "--json",
                                 "--out",
                                 (nodes.folder() / (target + (remote ? "-there" : "-here"))).string()};
  const std::vector<std::string> where =
      remote ? std::vector<std::string>{"--inventory", nodes.write_inventory("", nodes.raft_table()).string()}
             : std::vector<std::string>{"--nodes", "3", "--network", "namespaces"};
  words.insert(words.end(), where.begin(), where.end());
  return expect_bites(nodes.faultline(words));
}

TEST(RemoteEvents, TheSameEventsHappenHereAndOverSshAndTheirFaultsBiteInBoth) {
  if (!test::can_host_nodes() || !test::can_break_disks()) return;
  Nodes nodes;
  const auto here = run_events(nodes, "raft", "wal/*", false);
  EXPECT_EQ(here.size(), 4U);
  EXPECT_EQ(run_events(nodes, "raft", "wal/*", true), here);
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
  }
}

TEST(RemoteEvents, AnUnmodifiedEtcdMeetsThemToo) {
  if (!test::can_host_nodes() || !test::can_break_disks() || ::access("/usr/bin/etcd", X_OK) != 0) return;
  Nodes nodes;
  EXPECT_EQ(run_events(nodes, "etcd", "*.wal", true).size(), 4U);
}

}  // namespace
}  // namespace faultline::live::remote
