#include <gtest/gtest.h>
#include <signal.h>

#include <faultline/live/clock.hpp>
#include <faultline/live/local_cluster.hpp>

#include "adapters/live/node_clock.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

using test::Folder;
using namespace std::chrono_literals;

Fault clock_fault(std::vector<NodeName> nodes, std::vector<Value::Entry> parameters) {
  return {.kind = "clock", .nodes = std::move(nodes), .grudge = {}, .parameters = Value::map(std::move(parameters))};
}

// A running cluster on loopback; the test's thread is where clients are.
struct Running {
  Running() : cluster(test::gossip_options(folder / "run", NetworkKind::proxy)) {
    const auto up = cluster.set_up();
    EXPECT_TRUE(up.ok()) << (up.ok() ? "" : up.error().to_string());
    EXPECT_TRUE(cluster.enter_client_network().ok());
  }
  // How far a node's clock is ahead, in seconds; by its own word.
  [[nodiscard]] double ahead(const NodeName& node, const std::string& which) const {
    auto status = test::parse_status(test::ask(cluster.place(node).addresses.client, 2s));
    const auto milliseconds = [](auto time) {
      return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    };
    const auto truth = which == "wall" ? milliseconds(std::chrono::system_clock::now())
                                       : milliseconds(std::chrono::steady_clock::now());
    return static_cast<double>(std::atoll(status[which].c_str()) - truth) / 1e3;
  }

  Folder folder;
  LocalCluster cluster;
};

TEST(ClockFaultOfACluster, ParametersAreReadAndWrongOnesRefusedByName) {
  const auto change = clock_change_of(clock_fault({"n1"}, {{"clock", "both"}, {"change", "jump"}, {"by", "-2s"}}));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change.value().group, ClockGroup::both);
  EXPECT_EQ(change.value().by, -2s);
  EXPECT_TRUE(is_beyond_model(change.value()));
  const auto rate = clock_change_of(clock_fault({"n1"}, {{"clock", "mono"}, {"change", "rate"}, {"rate", 0.3}}));
  ASSERT_TRUE(rate.ok());
  EXPECT_DOUBLE_EQ(rate.value().rate, 0.3);
  EXPECT_FALSE(is_beyond_model(rate.value()));
  const auto strobe = clock_change_of(clock_fault({"n1"}, {{"change", "strobe"}, {"by", "200ms"}, {"period", "10ms"}}));
  ASSERT_TRUE(strobe.ok());
  EXPECT_EQ(strobe.value().group, ClockGroup::wall) << "the default";
  EXPECT_EQ(strobe.value().period, 10ms);
  EXPECT_TRUE(clock_change_of(clock_fault({"n1"}, {{"change", "freeze"}})).ok());
  const std::vector<std::pair<std::vector<Value::Entry>, std::string>> wrong = {
      {{}, "'change' must be"},
      {{{"change", "leap"}}, "'change' must be"},
      {{{"change", "jump"}}, "'by' must be a duration"},
      {{{"change", "jump"}, {"by", 2}}, "'by' must be a duration"},
      {{{"change", "jump"}, {"by", "2"}}, "is not a duration"},
      {{{"change", "jump"}, {"by", "2s"}, {"rate", 1}}, "takes no field 'rate'"},
      {{{"change", "rate"}, {"rate", "slow"}}, "'rate' must be a number"},
      {{{"change", "rate"}, {"rate", -1}}, "between 0 and 1000"},
      {{{"change", "strobe"}, {"by", "1s"}, {"period", "0s"}}, "at least 1 us"},
      {{{"change", "freeze"}, {"clock", "sun"}}, "'clock' must be"}};
  for (const auto& [parameters, reason] : wrong) {
    const auto refused = clock_change_of(clock_fault({"n1"}, parameters));
    ASSERT_FALSE(refused.ok()) << reason;
    EXPECT_NE(refused.error().message.find(reason), std::string::npos) << refused.error().message;
  }
}

TEST(ClockFaultOfACluster, AJumpBitesOneNodeAndHealsWithNothingLeft) {
  Running run;
  const Fault fault = clock_fault({"n1"}, {{"clock", "both"}, {"change", "jump"}, {"by", "60s"}});
  ASSERT_TRUE(run.cluster.supports(fault).ok());
  const auto applied = run.cluster.apply(fault);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(applied.value().get("skew_ms"), Value(60000)) << applied.value().to_string();
  EXPECT_GT(applied.value().get("clock_reads").as_integer(), 0);
  EXPECT_TRUE(applied.value().get("unread").is_null());
  EXPECT_NEAR(run.ahead("n1", "wall"), 60, 1);
  EXPECT_NEAR(run.ahead("n1", "mono"), 60, 1);
  EXPECT_NEAR(run.ahead("n2", "wall"), 0, 1);
  const auto healed = run.cluster.heal(fault);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  EXPECT_GT(healed.value().get("slewing_ms").get("n1").as_integer(), 100'000);
  EXPECT_NEAR(run.ahead("n1", "wall"), 0, 1) << "wall is right at once";
  EXPECT_GT(run.ahead("n1", "mono"), 50) << "mono must not step back";
  EXPECT_EQ(run.cluster.heal(fault).value(), Value::map({})) << "twice is once";
  const auto all = run.cluster.heal_all();
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_TRUE(all.value().get("clocks").get("n1").is_null()) << "two minutes are too long to wait: it was restarted";
  EXPECT_NEAR(run.ahead("n1", "mono"), 0, 1);
  EXPECT_TRUE(run.cluster.unexpected_exits().empty());
}

TEST(ClockFaultOfACluster, AWallJumpThatNobodyReadsIsSaidToBeUnread) {
  Running run;
  const Fault fault = clock_fault({"n2"}, {{"clock", "wall"}, {"change", "jump"}, {"by", "5s"}});
  const auto applied = run.cluster.apply(fault);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(applied.value().get("clock_reads"), Value(0));
  EXPECT_EQ(applied.value().get("skew_ms"), Value(0)) << "it had no effect";
  EXPECT_EQ(applied.value().get("unread"), Value::list({"n2"}));
  EXPECT_NEAR(run.ahead("n2", "wall"), 5, 1);
  const auto healed = run.cluster.heal(fault);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  EXPECT_EQ(healed.value().get("skew_ms"), Value(5000)) << "now it has been read";
  EXPECT_EQ(healed.value().get("healed"), Value::list({"n2"}));
  EXPECT_NEAR(run.ahead("n2", "wall"), 0, 1);
}

TEST(ClockFaultOfACluster, ARestartedNodeIsBentAgainUntilTheFaultHeals) {
  Running run;
  const Fault bend = clock_fault({"n3"}, {{"clock", "both"}, {"change", "jump"}, {"by", "300s"}});
  const Fault kill{.kind = "kill", .nodes = {"n3"}, .grudge = {}, .parameters = {}};
  ASSERT_TRUE(run.cluster.apply(bend).ok());
  ASSERT_TRUE(run.cluster.apply(kill).ok());
  EXPECT_FALSE(run.cluster.apply(bend).ok()) << "a node that is down has no clock";
  ASSERT_TRUE(run.cluster.heal(kill).ok());
  ASSERT_TRUE(test::eventually([&] { return std::abs(run.ahead("n3", "wall") - 300) < 1; }));
  EXPECT_NEAR(run.ahead("n3", "mono"), 300, 1);
  ASSERT_TRUE(run.cluster.apply(kill).ok());
  const auto healed = run.cluster.heal(bend);
  EXPECT_TRUE(healed.ok()) << healed.error().to_string();
  ASSERT_TRUE(run.cluster.heal(kill).ok());
  ASSERT_TRUE(test::eventually([&] { return std::abs(run.ahead("n3", "mono")) < 1; }));
}

TEST(ClockFaultOfACluster, TwoFaultsOnANodeAddUpAndHealOneByOne) {
  Running run;
  const Fault first = clock_fault({"n1"}, {{"clock", "wall"}, {"change", "jump"}, {"by", "100s"}});
  const Fault second = clock_fault({"n1", "n2"}, {{"clock", "wall"}, {"change", "jump"}, {"by", "7s"}});
  ASSERT_TRUE(run.cluster.apply(first).ok());
  ASSERT_TRUE(run.cluster.apply(second).ok());
  EXPECT_NEAR(run.ahead("n1", "wall"), 107, 1);
  ASSERT_TRUE(run.cluster.heal(first).ok());
  EXPECT_NEAR(run.ahead("n1", "wall"), 7, 1);
  EXPECT_NEAR(run.ahead("n2", "wall"), 7, 1);
  ASSERT_TRUE(run.cluster.heal(second).ok());
  EXPECT_NEAR(run.ahead("n1", "wall"), 0, 1);
  EXPECT_NEAR(run.ahead("n2", "wall"), 0, 1);
}

TEST(ClockFaultOfACluster, HealAllProbesEveryClockAndWaitsForAShortSlew) {
  Running run;
  const Fault slow = clock_fault({"n1", "n2"}, {{"clock", "both"}, {"change", "rate"}, {"rate", 0.3}});
  const Fault jump = clock_fault({"n3"}, {{"clock", "mono"}, {"change", "jump"}, {"by", "400ms"}});
  const Fault pause{.kind = "pause", .nodes = {"n2"}, .grudge = {}, .parameters = {}};
  ASSERT_TRUE(run.cluster.apply(slow).ok());
  ASSERT_TRUE(run.cluster.apply(jump).ok());
  ASSERT_TRUE(run.cluster.apply(pause).ok());
  ASSERT_FALSE(run.cluster.apply(clock_fault({"n2"}, {{"change", "freeze"}})).ok()) << "a paused node reads nothing";
  const auto all = run.cluster.heal_all();
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  for (const char* node : {"n1", "n2", "n3"}) {
    ASSERT_TRUE(all.value().get("clocks").get(node).is_real()) << all.value().to_string();
    EXPECT_LT(std::abs(all.value().get("clocks").get(node).as_real()), 1);
    EXPECT_NEAR(run.ahead(node, "mono"), 0, 1);
  }
  const auto again = run.cluster.heal_all();
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again.value().get("clocks").is_null()) << "nothing is bent any more";
}

TEST(ClockFaultOfACluster, NothingRemainsAfterTearDownWhileFrozen) {
  const Folder folder;
  {
    LocalCluster cluster(test::gossip_options(folder / "run", NetworkKind::proxy));
    ASSERT_TRUE(cluster.set_up().ok());
    ASSERT_TRUE(cluster.apply(clock_fault({"n1"}, {{"clock", "both"}, {"change", "freeze"}})).ok());
    const auto down = cluster.tear_down();
    EXPECT_TRUE(down.ok()) << down.error().to_string();
  }
  EXPECT_TRUE(test::entries(folder / "state").empty());
}

}  // namespace
}  // namespace faultline::live
