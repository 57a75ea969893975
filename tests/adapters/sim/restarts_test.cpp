// Rolling restarts in virtual time: one node after the other, each once the one before is back and somebody leads.
#include <gtest/gtest.h>

#include "faults.hpp"
#include "toy.hpp"

namespace faultline::sim {
namespace {

using namespace toy;
using namespace std::chrono_literals;

struct Restarts : testing::Test {
  Restarts() : world(SimOptions(), toy) { toy.world = &world; }
  // Whether it is down, by node, at each step up to this time; only where it changes.
  std::vector<std::vector<bool>> watch_until(Instant until) {
    std::vector<std::vector<bool>> seen;
    while (world.now() < until && world.step()) {
      std::vector<bool> down;
      for (NodeIndex node = 0; node < 3; ++node) down.push_back(!world.is_running(node));
      if (seen.empty() || seen.back() != down) seen.push_back(down);
    }
    return seen;
  }
  Toy toy;
  SimWorld world;
};

using Down = std::vector<bool>;

TEST_F(Restarts, OneAfterTheOtherGoesDownAndComesBack) {
  toy.leader = 1;
  run(world, at(1s));
  const Fault rolling = fault("restart", {"n1", "n2", "n3"}, {{"down", "50ms"}});
  ASSERT_TRUE(world.apply(rolling));
  const Down none{false, false, false};
  EXPECT_EQ(watch_until(at(3s)),
            (std::vector<Down>{{true, false, false}, none, {false, true, false}, none, {false, false, true}, none}));
  const auto healed = world.heal(rolling);
  ASSERT_TRUE(healed);
  EXPECT_EQ(healed.value().get("restarted"), Value::map({{"n1", 2}, {"n2", 2}, {"n3", 2}}));
  EXPECT_TRUE(world.unexpected_ends().empty());
}

TEST_F(Restarts, TheNextWaitsForALeader) {
  toy.leader = 7;  // nobody
  run(world, at(1s));
  ASSERT_TRUE(world.apply(fault("restart", {"n1", "n2"}, {{"down", "50ms"}})));
  EXPECT_EQ(watch_until(at(10s)), (std::vector<Down>{{true, false, false}, {false, false, false}}));
  toy.leader = 2;
  EXPECT_EQ(watch_until(at(11s)),
            (std::vector<Down>{{false, false, false}, {false, true, false}, {false, false, false}}));
}

TEST_F(Restarts, AHealInTheMiddleLeavesTheRestAlone) {
  run(world, at(1s));
  const Fault rolling = fault("restart", {"n1", "n2", "n3"}, {{"down", "1s"}});
  ASSERT_TRUE(world.apply(rolling));
  run(world, at(1500ms));
  ASSERT_FALSE(world.is_running(0));
  const auto healed = world.heal(rolling);
  ASSERT_TRUE(healed);
  EXPECT_EQ(healed.value().get("restarted"), Value::map({{"n1", 2}}));
  EXPECT_EQ(watch_until(at(5s)), (std::vector<Down>{{false, false, false}}));
}

TEST_F(Restarts, UpgradesAreRefusedWithTheReason) {
  const auto refused = world.supports(fault("upgrade", {"n1"}, {{"to", 2}}));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("one version of the daemon"), std::string::npos);
}

}  // namespace
}  // namespace faultline::sim
