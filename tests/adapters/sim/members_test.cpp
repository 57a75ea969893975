// Members leave and come in, under the fault `membership` and after it.
#include <gtest/gtest.h>

#include "faults.hpp"

namespace faultline::sim {
namespace {

using namespace toy;
using namespace std::chrono_literals;

struct Members : Fixture {
  Members() {
    SimOptions options;
    options.spares = {"n4"};
    restart(options);
    toy.members = true;
    toy.configuration = {0, 1, 2};
  }
  Event nemesis(std::string f, const Value& value) {
    world->dispatch(invoke(nemesis_process, std::move(f), value));
    const auto completion = world->next_completion(world->now() + 60s);
    FL_ASSERT(completion.has_value());
    return *completion;
  }
};

TEST_F(Members, ShrinkTakesANodeOutForGoodAndHealingBringsItBackEmpty) {
  EXPECT_EQ(write(2, 5).type, EventType::ok);
  const Fault shrink = fault("membership", {"n3"}, {{"change", "shrink"}});
  const Event removed = nemesis("start-membership", to_value(shrink));
  EXPECT_TRUE(removed.error().is_null()) << removed.error().to_string();
  EXPECT_EQ(removed.value.get("done").get("removed"), Value::list({"n3"}));
  EXPECT_FALSE(world->is_member(2));
  EXPECT_EQ(toy.configuration, (std::set<NodeIndex>{0, 1}));
  const Event back = nemesis("stop-membership", to_value(shrink));
  EXPECT_EQ(back.value.get("done").get("returned"), Value::list({"n3"}));
  EXPECT_EQ(toy.configuration, (std::set<NodeIndex>{0, 1, 2}));
  EXPECT_EQ(read(2), "");
}

TEST_F(Members, ARemovedNodeGoesAtOnceOrStaysAsItIsForAWhile) {
  const Fault shrink = fault("membership", {"n3"}, {{"change", "shrink"}});
  std::size_t stayed = 0;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(apply(shrink));
    pass(40ms);
    ASSERT_FALSE(world->is_member(2));
    if (world->is_running(2)) {
      ++stayed;
      const std::size_t said = heard(0, 2);
      EXPECT_TRUE(said > 0 || !world->is_running(2)) << "it goes on";
    }
    if (round % 2 == 0) {
      pass(world->options().membership_limit);
      EXPECT_FALSE(world->is_running(2));
    }
    ASSERT_TRUE(heal(shrink));
    pass(1s);
    ASSERT_TRUE(world->is_member(2) && world->is_running(2)) << "back, whether it had gone or not";
    EXPECT_EQ(read(2), "");
  }
  EXPECT_GT(stayed, 3U);
  EXPECT_LT(stayed, 17U);
}

TEST_F(Members, GrowTakesASpareIn) {
  const Fault grow = fault("membership", {}, {{"change", "grow"}});
  EXPECT_FALSE(world->is_running(3));
  ASSERT_TRUE(apply(grow));
  EXPECT_FALSE(world->settled());
  pass(1s);
  EXPECT_TRUE(world->settled());
  EXPECT_TRUE(world->is_running(3));
  EXPECT_TRUE(toy.configuration.contains(3));
  EXPECT_GE(heard(3, 0), 19U);
  EXPECT_FALSE(apply(grow));  // no spare is left
  ASSERT_TRUE(heal(grow));
  pass(1s);
  EXPECT_FALSE(world->is_member(3));
}

TEST_F(Members, AChangeThatNobodyConfirmsIsAnErrorAndHealAllRestoresTheFounders) {
  const Fault shrink = fault("membership", {"n3"}, {{"change", "shrink"}}), stop = fault("pause", {"n1", "n2"});
  ASSERT_TRUE(apply(stop));
  const Event failed = nemesis("start-membership", to_value(shrink));
  EXPECT_EQ(failed.error(), Value("n3 could not be removed: n3 says: not the leader"));
  const Event healed = nemesis("heal-all", {});
  EXPECT_TRUE(healed.error().is_null()) << healed.error().to_string();
  EXPECT_EQ(healed.value.get("done").get("running"), Value::list({"n1", "n2", "n3"}));
  EXPECT_EQ(toy.configuration, (std::set<NodeIndex>{0, 1, 2}));
}

TEST_F(Members, AWipedNodeThatRefusesToStartRejoinsAsANewMember) {
  toy.needs_data = true;
  const Fault wipe = fault("wipe", {"n1"});
  ASSERT_TRUE(apply(wipe));
  ASSERT_TRUE(heal(wipe));
  pass(1s);
  EXPECT_TRUE(world->settled());
  EXPECT_TRUE(world->is_running(0));
  EXPECT_FALSE(world->is_rotten(0));
}

TEST_F(Members, AWipedNodeThatFindsOutAfterItsStartIsReplaced) {
  toy.feared = "7";
  const Fault wipe = fault("wipe", {"n3"});
  ASSERT_TRUE(apply(wipe));
  ASSERT_TRUE(heal(wipe));
  pass(100ms);
  EXPECT_TRUE(world->is_running(2));
  EXPECT_TRUE(world->is_rotten(2));
  EXPECT_EQ(write(2, 7).error(), Value("broken"));
  pass(1s);
  EXPECT_TRUE(world->settled());
  EXPECT_TRUE(world->is_running(2));
  EXPECT_FALSE(world->is_rotten(2));
}

TEST_F(Members, AMemberWhoseRemovalNobodyConfirmsStartsAgainAfterAKill) {
  const Fault shrink = fault("membership", {"n3"}, {{"change", "shrink"}}), kill = fault("kill", {"n3"});
  const Fault stop = fault("pause", {"n1", "n2"});  // who would have to agree
  ASSERT_TRUE(apply(stop));
  ASSERT_TRUE(apply(shrink));
  pass(50ms);
  EXPECT_FALSE(world->is_member(2));
  ASSERT_TRUE(apply(kill));
  EXPECT_FALSE(world->is_running(2));
  ASSERT_TRUE(heal(kill));
  EXPECT_TRUE(world->is_running(2));
}

TEST_F(Members, WhatTheAdministratorFailedToPutRightIsTriedAgain) {
  const Fault shrink = fault("membership", {"n3"}, {{"change", "shrink"}}), stop = fault("pause", {"n1", "n2"});
  ASSERT_TRUE(apply(shrink));
  pass(1s);
  ASSERT_TRUE(apply(stop));
  ASSERT_TRUE(heal(shrink));
  pass(world->options().membership_limit * 3);
  EXPECT_FALSE(world->is_member(2));
  ASSERT_TRUE(heal(stop));
  pass(world->options().membership_limit);
  EXPECT_TRUE(world->is_member(2));
  EXPECT_TRUE(world->is_running(2));
}

TEST_F(Members, OneOnItsWayInIsNoCleanDiskToCountOn) {
  const Fault grow = fault("membership", {}, {{"change", "grow"}}), wipe = fault("wipe", {"n3"});
  const Fault stop = fault("pause", {"n1", "n2"});
  ASSERT_TRUE(apply(stop));
  ASSERT_TRUE(apply(grow));
  pass(50ms);
  EXPECT_FALSE(apply(wipe)) << "two of four would be no majority";
  ASSERT_TRUE(heal(stop));
  pass(1s);
  ASSERT_TRUE(world->is_member(3));
  EXPECT_TRUE(apply(wipe));
}

}  // namespace
}  // namespace faultline::sim
