// First boot: an empty node votes only once every initial member has answered, and never if one of them has a past.

#include <gtest/gtest.h>

#include <faultline/raft/codec.hpp>
#include <faultline/raft/membership.hpp>

#include "network.hpp"

namespace faultline::raft::test {
namespace {

TEST(FirstBoot, AGroupFoundsItselfAndElectsALeader) {
  Network net(3, {}, false);
  net.run(5 * T);
  ASSERT_NE(net.leader(), 0U);
  EXPECT_EQ(net.log(net.leader()).substr(0, 20), "1/1 {voters 1 2 3}, ");
  EXPECT_TRUE(net.invariants().violations().empty());
}

TEST(FirstBoot, AGroupOfOneNeedsNobody) {
  Network net(1, {}, false);
  net.run(3 * T);
  EXPECT_EQ(net.leader(), 1U);
  net.propose(1, "x");
  EXPECT_EQ(net.applied(1), "x");
}

TEST(FirstBoot, NobodyActsBeforeEverybodyHasAnswered) {
  Network net(3, {}, false);
  net.isolate(3);
  net.run(5 * T);
  EXPECT_EQ(net.leader(), 0U);
  EXPECT_EQ(net.raft(1).status().founding, Founding::empty);
  net.heal();
  net.run(5 * T);
  EXPECT_NE(net.leader(), 0U);
}

TEST(FirstBoot, NobodyCampaignsBeforeEverybodyHasStoredTheConfiguration) {
  Network net(3, {}, false);
  net.slow_disk(3);
  net.run(5 * T);
  EXPECT_EQ(net.leader(), 0U);
  net.fast_disk(3);
  net.run(5 * T);
  EXPECT_NE(net.leader(), 0U);
}

TEST(FirstBoot, ACrashAtAnyMomentIsHarmless) {
  for (int moment = 0; moment < 60; ++moment) {
    Network net(3, {}, false);
    for (std::uint64_t id = 1; id <= 3; ++id) net.tick(id);
    for (int i = 0; i < moment && !net.wire().empty(); ++i) {
      const Message message = net.wire().front();
      net.wire().pop_front();
      net.inject(message);
      if (i % 7 == 6) net.heartbeat(1 + static_cast<std::uint64_t>(i) % 3);
    }
    const std::uint64_t victim = 1 + static_cast<std::uint64_t>(moment) % 3;
    net.power_loss(victim);
    net.settle();
    net.restart(victim);
    net.run(8 * T);
    ASSERT_NE(net.leader(), 0U) << moment;
    ASSERT_FALSE(net.raft(victim).refusal()) << moment;
    ASSERT_TRUE(net.invariants().violations().empty());
  }
}

// M21: A and B hold a committed entry; B's disk is wiped; with C it would elect a leader that never heard of the entry.
TEST(FirstBoot, AWipedNodeIsRefusedAndDoesNotVote) {
  Network net(3);
  net.elect(1);
  net.isolate(3);
  net.propose(1, "x");
  net.settle();
  // The wiped disk comes back under the same command line.
  std::vector<Member> initial;
  for (std::uint64_t id = 1; id <= 3; ++id) initial.push_back({NodeId{id}, {}, ""});
  Raft wiped({.id = NodeId{2}, .boot = 99, .initial = initial, .election_timeout = T, .heartbeat = T / 10}, {}, Rng(1),
             net.now());
  wiped.tick(net.now());
  wiped.step(net.now() + 3 * T,
             {NodeId{3}, NodeId{2}, Term{9}, StayId{1}, VoteRequest{.last_index = LogIndex{2}, .last_term = Term{2}}});
  for (const Message& message : wiped.ready().messages_now) {
    EXPECT_TRUE(std::holds_alternative<Hello>(message.body));
    if (message.to == NodeId{1}) net.inject(message);
  }
  EXPECT_FALSE(wiped.has_ready());
  for (const Message& message : net.wire()) {
    if (message.to == NodeId{2}) wiped.step(net.now(), message);
  }
  ASSERT_TRUE(wiped.refusal().has_value());
  EXPECT_EQ(wiped.refusal()->witness, NodeId{1});
}

TEST(FirstBoot, AnAnswerToAFormerLifeDoesNotCount) {
  std::vector<Member> initial{{NodeId{1}, {}, ""}, {NodeId{2}, {}, ""}};
  Raft node({.id = NodeId{1}, .boot = 7, .initial = initial}, {}, Rng(1), Instant{});
  node.tick(Instant{});
  node.step(Instant{}, {NodeId{2}, NodeId{1}, {}, {}, Hello{.founding = Founding::empty, .reply = true, .boot = 6}});
  EXPECT_EQ(node.status().founding, Founding::empty);
  node.step(Instant{}, {NodeId{2}, NodeId{1}, {}, {}, Hello{.founding = Founding::empty, .reply = true, .boot = 7}});
  EXPECT_EQ(node.status().founding, Founding::founded);
}

// n2 campaigns, n3 votes for it, both are wiped before anybody else hears of it, and the five found their group again. The old vote arrives
// late: counted, it would elect n2 beside whom n3 votes for now.
TEST(FirstBoot, AVoteForAFormerLifeDoesNotCount) {
  const std::vector<Entry> founded{
      {Term{1}, LogIndex{1}, EntryKind::config,
       encode(initial_config({{NodeId{1}, {}, ""}, {NodeId{2}, {}, ""}, {NodeId{3}, {}, ""}}))}};
  const auto campaigns = [&](std::uint64_t boot) {
    Raft node({.id = NodeId{2}, .boot = boot, .election_timeout = T, .heartbeat = T / 10, .pre_vote = false},
              {.hard_state = {Term{2}, {}, LogIndex{1}, {}}, .snapshot = {}, .entries = founded, .part = {}}, Rng(1),
              Instant{});
    node.tick(Instant{} + 3 * T);
    node.advance(node.ready().number);
    return node;
  };
  const Message granted{NodeId{3}, NodeId{2}, Term{3}, StayId{1}, VoteReply{.granted = true, .boot = 7}};
  Raft former = campaigns(7);
  former.step(Instant{} + 3 * T, granted);
  EXPECT_TRUE(former.is_leader());
  Raft later = campaigns(8);
  later.step(Instant{} + 3 * T, granted);
  EXPECT_EQ(later.status().role, Role::candidate);
}

TEST(FirstBoot, OptionsThatMakeNoSenseAreRefused) {
  const auto refused = [](Options options) { return !validate(options).ok(); };
  EXPECT_TRUE(refused({}));
  EXPECT_FALSE(refused({.id = NodeId{1}}));
  EXPECT_TRUE(refused({.id = NodeId{1}, .initial = {{NodeId{2}, {}, ""}}}));
  EXPECT_TRUE(refused({.id = NodeId{1}, .initial = {{NodeId{1}, {}, ""}, {NodeId{1}, {}, ""}}}));
  EXPECT_TRUE(refused({.id = NodeId{1}, .max_clock_drift = 1.0}));
}

// "Bad timeouts": T not longer than a heartbeat can never work.
TEST(FirstBoot, AnElectionTimeoutOfOneHeartbeatIsRefused) {
  const Duration beat = std::chrono::milliseconds(100);
  EXPECT_FALSE(validate({.id = NodeId{1}, .election_timeout = beat, .heartbeat = beat}).ok());
  EXPECT_TRUE(validate({.id = NodeId{1}, .election_timeout = 10 * beat, .heartbeat = beat}).ok());
}

}  // namespace
}  // namespace faultline::raft::test
