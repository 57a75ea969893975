// Rolling restarts and upgrades of live daemons: each is another process afterwards, never two are down at once, and in the end all run
// one version.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "support.hpp"

namespace faultline::live::test {
namespace {

using namespace std::chrono_literals;

Fault fault(const std::string& kind, std::vector<NodeName> nodes, std::vector<Value::Entry> parameters = {}) {
  return {.kind = kind, .nodes = std::move(nodes), .grudge = {}, .parameters = Value::map(std::move(parameters))};
}

// A gossip cluster of two versions: the program, and a copy of it.
struct Versions {
  Versions() : cluster(options()) {
    fs::copy_file(gossip_program(), folder / "gossip-2");
    const auto up = cluster.set_up();
    EXPECT_TRUE(up.ok()) << up.error().to_string();
  }
  LocalClusterOptions options() {
    LocalClusterOptions made = gossip_options(folder.path(), NetworkKind::proxy);
    made.versions = 2;
    made.stop_grace = 1s;
    made.node_spec = [spec = made.node_spec, this](const NodePlace& self, std::span<const NodePlace> all) {
      NodeSpec node = spec(self, all);
      if (self.version == 1) node.command.front() = (folder / "gossip-2").string();
      ++starts;
      return node;
    };
    return made;
  }
  Folder folder;
  std::atomic<int> starts{0};
  LocalCluster cluster;
};

std::vector<std::string> names_in(const Value& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map.as_map()) names.emplace_back(name.as_text());
  return names;
}

std::vector<std::string> programs_in(const Value& map) {
  std::vector<std::string> programs;
  for (const auto& [name, value] : map.as_map())
    programs.push_back(std::string(name.as_text()) + " " + fs::path(value.as_text()).filename().string());
  return programs;
}

TEST(Restarts, EachIsAnotherProcessAndReadyBeforeTheNextGoesDown) {
  Versions run;
  // Somebody who looks all the time sees at most one that does not answer.
  std::atomic<bool> ends{false};
  std::atomic<int> most_down{0};
  std::thread watcher([&] {
    while (!ends) {
      int down = 0;
      for (const NodePlace& place : run.cluster.places()) down += ask(place.addresses.client, 2s).empty() ? 1 : 0;
      most_down = std::max(most_down.load(), down);
    }
  });
  const Fault rolling = fault("restart", {"n1", "n2", "n3"}, {{"down", "50ms"}});
  const auto first = run.cluster.apply(rolling);
  const auto second = run.cluster.apply(rolling);
  ends = true;
  watcher.join();
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  ASSERT_TRUE(second.ok()) << second.error().to_string();
  EXPECT_EQ(names_in(first.value().get("restarted")), (std::vector<std::string>{"n1", "n2", "n3"}));
  for (const NodePlace& place : run.cluster.places())
    EXPECT_NE(first.value().get("restarted").get(place.name), second.value().get("restarted").get(place.name));
  EXPECT_EQ(most_down, 1);
  EXPECT_EQ(run.starts, 3 + 3 + 6) << "each node is described once, and at each start";
  EXPECT_TRUE(run.cluster.unexpected_exits().empty()) << "they were asked to";
  EXPECT_EQ(run.cluster.heal(rolling).value(), Value::map({}));
  EXPECT_TRUE(run.cluster.heal_all().ok());
}

TEST(Restarts, WhoeverIsDownOrPausedIsLeftAlone) {
  Versions run;
  ASSERT_TRUE(run.cluster.apply(fault("kill", {"n1"})).ok());
  ASSERT_TRUE(run.cluster.apply(fault("pause", {"n2"})).ok());
  const auto done = run.cluster.apply(fault("restart", {"n1", "n2", "n3"}));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(names_in(done.value().get("restarted")), (std::vector<std::string>{"n3"}));
  EXPECT_EQ(names_in(done.value().get("skipped")), (std::vector<std::string>{"n1", "n2"}));
  EXPECT_FALSE(run.cluster.apply(fault("restart", {"n1"})).ok());
  EXPECT_TRUE(run.cluster.heal_all().ok());
}

TEST(Upgrades, RunAnotherProgramAndEndWithOneVersion) {
  Versions run;
  const Fault mixed = fault("upgrade", {"n2"}, {{"to", 2}});
  const auto done = run.cluster.apply(mixed);
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(programs_in(done.value().get("upgraded")), std::vector<std::string>{"n2 gossip-2"});
  const auto healed = run.cluster.heal(mixed);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  EXPECT_EQ(programs_in(healed.value().get("upgraded")), (std::vector<std::string>{"n1 gossip-2", "n3 gossip-2"}));
  const Fault back = fault("upgrade", {"n1", "n2", "n3"}, {{"to", 1}});
  const auto downgraded = run.cluster.apply(back);
  ASSERT_TRUE(downgraded.ok()) << downgraded.error().to_string();
  EXPECT_EQ(programs_in(downgraded.value().get("upgraded")),
            (std::vector<std::string>{"n1 live_gossip", "n2 live_gossip", "n3 live_gossip"}));
  ASSERT_TRUE(run.cluster.apply(mixed).ok());
  EXPECT_TRUE(run.cluster.heal_all().ok());
  for (const NodePlace& place : run.cluster.places()) EXPECT_EQ(place.version, 1U) << place.name;
  EXPECT_FALSE(run.cluster.apply(fault("upgrade", {"n1", "n2", "n3"}, {{"to", 2}})).ok()) << "all do already";
}

TEST(Upgrades, NeedAnotherVersion) {
  const Folder folder;
  const LocalCluster one(gossip_options(folder.path(), NetworkKind::proxy));
  const auto refused = one.supports(fault("upgrade", {"n1"}, {{"to", 2}}));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("one version of the daemon"), std::string::npos);
  Versions run;
  EXPECT_NE(run.cluster.supports(fault("upgrade", {"n1"}, {{"to", 3}})).error().message.find("no version 3"),
            std::string::npos);
  EXPECT_FALSE(run.cluster.supports(fault("restart", {"n1"}, {{"down", 5}})).ok());
}

}  // namespace
}  // namespace faultline::live::test
