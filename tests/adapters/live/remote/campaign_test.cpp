// One schedule, two places: what it does to three nodes on this machine it does to three that are reached by ssh.
#include <gtest/gtest.h>

#include "nodes.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
using test::expect_bites;
using test::Nodes;

constexpr const char* schedule = R"({"version":1,"seed":11,"decisions":[
{"id":1,"at":"500ms","for":"1s","fault":{"kind":"partition","grudge":{"n1":["n2","n3"],"n2":["n1"],"n3":["n1"]}}},
{"id":2,"at":"2s","for":"500ms","fault":{"kind":"kill","nodes":["n2"],"parameters":{"disk":"lose_unsynced"}}},
{"id":3,"at":"3s","for":"1s","fault":{"kind":"pause","nodes":["n3"]}},
{"id":4,"at":"4500ms","for":"1s","fault":{"kind":"clock","nodes":["n1"],"parameters":{"clock":"mono","change":"rate","rate":1.2}}},
{"id":5,"at":"6s","for":"1s","fault":{"kind":"slow_disk","nodes":["n2"],"parameters":{"latency":"20ms"}}},
{"id":6,"at":"7500ms","for":"500ms","fault":{"kind":"fsync_error","nodes":["n3"],"parameters":{"errno":"EIO","pages":"drop"}}},
{"id":7,"at":"8200ms","for":"1700ms","fault":{"kind":"crash_point","nodes":["n1"],"parameters":{"call":"write","nth":2,"edge":"before","disk":"torn"}}},
{"id":8,"at":"10s","for":"1s","fault":{"kind":"pressure","nodes":["n1","n2","n3"],"parameters":{"speed":0.05}}},
{"id":9,"at":"11500ms","for":"1s","fault":{"kind":"wipe","nodes":["n2"]}},
{"id":12,"at":"16s","for":"1s","fault":{"kind":"restart","nodes":["n1","n3"]}},
{"id":13,"at":"19s","for":"1s","fault":{"kind":"upgrade","nodes":["n1","n2"],"parameters":{"to":2}}}PACKETS]})";
constexpr const char* packets = R"(,
{"id":10,"at":"13s","for":"1s","fault":{"kind":"packet","nodes":["n1"],"parameters":{"delay":"20ms","jitter":"5ms","loss":0.05}}},
{"id":11,"at":"14500ms","for":"500ms","fault":{"kind":"clog","nodes":["n2"]}})";

TEST(RemoteCampaign, TheSameScheduleIsValidHereAndOverSshAndEachOfItsFaultsBitesInBoth) {
  if (!test::can_host_nodes()) return;
  if (!test::can_break_disks()) return;
  Nodes nodes;
  const bool queues = test::can_queue_packets();
  std::string text = schedule;
  text.replace(text.find("PACKETS"), std::string("PACKETS").size(), queues ? packets : "");
  std::ofstream(nodes.folder() / "faults.json") << text;
  const fs::path inventory = nodes.write_inventory("", nodes.raft_table());
  const fs::path next = nodes.folder() / "raftd-next";  // another version of the daemon, for who goes by names
  fs::copy_file(nodes.raftd(), next);
  std::map<std::string, int> here, there;
  for (const bool remote : {false, true}) {
    std::vector<std::string> words{"run",
                                   "--target",
                                   "raft",
                                   "--schedule",
                                   (nodes.folder() / "faults.json").string(),
                                   "--upgrade-to",
                                   next.string(),
                                   "--rate",
                                   "100/s",
                                   "--seed",
                                   "7",
                                   "--time-limit",
                                   "30s",
                                   "--out",
                                   (nodes.folder() / (remote ? "there" : "here")).string(),
                                   "--json"};
    const std::vector<std::string> where = remote ? std::vector<std::string>{"--inventory", inventory.string()}
                                                  : std::vector<std::string>{"--nodes", "3", "--network", "namespaces"};
    words.insert(words.end(), where.begin(), where.end());
    (remote ? there : here) = expect_bites(nodes.faultline(words));
  }
  EXPECT_EQ(here, there);
  EXPECT_EQ(here.size(), queues ? 13U : 11U);
  for (const NodeName node : {"n1", "n2", "n3"}) {
    EXPECT_TRUE(test::ends(nodes, node)) << node;
    EXPECT_EQ(nodes.rules(node), "") << node;
    EXPECT_EQ(live::test::entries(nodes.state(node)), std::vector<std::string>{"bin"}) << node;
  }
}

}  // namespace
}  // namespace faultline::live::remote
