// A node that starts empty in a running group (core.hpp, "To join").

#include <gtest/gtest.h>

#include "paper.hpp"

namespace faultline::raft::test {
namespace {

Message to_joiner(std::uint64_t term, StayId stay, Body body) {
  return {NodeId{1}, NodeId{4}, Term{term}, stay, std::move(body)};
}

StayId stay_of_4(Network& net) { return net.raft(1).status().config.find(NodeId{4})->stay; }

FollowerStatus follower_4(Network& net) {
  const Status status = net.raft(1).status();
  EXPECT_EQ(status.followers.back().member.id, NodeId{4});
  return status.followers.back();
}

void start_again_empty(Network& net, std::uint64_t id) {
  net.wipe(id);
  net.restart(id);
}

// Three founders and n4, a learner that holds the whole log.
Network with_learner(Options options = {}) {
  Network net(3, options);
  net.add(4);
  net.elect(1);
  EXPECT_EQ(net.change(1, {1, 2, 3}, {4}), Outcome::accepted);
  EXPECT_TRUE(net.settle());
  EXPECT_EQ(follower_4(net).match, net.raft(1).last());
  return net;
}

Network with_voter() {
  Network net = with_learner();
  EXPECT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::accepted);
  EXPECT_TRUE(net.settle());
  EXPECT_TRUE(net.raft(1).status().config.is_voter(NodeId{4}));
  return net;
}

TEST(Joining, NothingIsTakenFromALeaderBeforeItHasAnswered) {
  Network net(3);
  net.add(4);
  net.inject(to_joiner(5, StayId{8}, Append{.entries = {command(1, 5, "x")}}));
  const JoinRequest request = only<JoinRequest>(net);
  net.inject(to_joiner(5, StayId{8}, SnapshotChunk{.snapshot = {.index = LogIndex{1}, .term = Term{5}}}));
  EXPECT_EQ(only<JoinRequest>(net), request);
  net.inject(to_joiner(6, StayId{9}, VoteRequest{.last_index = LogIndex{9}, .last_term = Term{5}}));
  EXPECT_TRUE(net.wire().empty()) << "a vote";
  EXPECT_EQ(net.raft(4).term(), Term{});
  EXPECT_EQ(net.raft(4).last(), LogIndex{});

  net.inject(to_joiner(5, StayId{8}, JoinReply{.boot = request.boot + 1}));
  net.inject(to_joiner(5, StayId{8}, Append{.entries = {command(1, 5, "x")}}));
  EXPECT_EQ(only<JoinRequest>(net), request) << "an answer to another start";

  net.inject(to_joiner(5, StayId{8}, JoinReply{.boot = request.boot}));
  net.inject(to_joiner(5, StayId{8}, Append{.entries = {command(1, 5, "x")}}));
  EXPECT_TRUE(only<AppendReply>(net).accepted);
  EXPECT_EQ(net.raft(4).term(), Term{5});
}

TEST(Joining, AVoterWhoseDiskWasWipedIsRefused) {
  Network net = with_voter();
  net.propose(1, "x");
  ASSERT_TRUE(net.settle());
  start_again_empty(net, 4);
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  ASSERT_TRUE(net.raft(4).refusal().has_value());
  EXPECT_EQ(net.raft(4).refusal()->witness, NodeId{1});
  EXPECT_EQ(net.raft(4).last(), LogIndex{});
  EXPECT_FALSE(grants(net, vote(2, 4, 99, 99, 99)));
  expect_sound(net);
}

TEST(Joining, SoIsOneThatIsALearnerNowButHadAVote) {
  Network net = with_voter();
  ASSERT_EQ(net.change(1, {1, 2, 3}, {4}), Outcome::accepted);
  ASSERT_TRUE(net.settle());
  ASSERT_FALSE(net.raft(1).status().config.is_voter(NodeId{4}));
  start_again_empty(net, 4);
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  EXPECT_TRUE(net.raft(4).refusal().has_value());
}

TEST(Joining, ARefusedNodeComesBackOnceItWasRemovedAndAddedAgain) {
  Network net = with_voter();
  ASSERT_EQ(net.change(1, {1, 2, 3}), Outcome::accepted);
  ASSERT_TRUE(net.settle());
  start_again_empty(net, 4);
  ASSERT_EQ(net.change(1, {1, 2, 3}, {4}), Outcome::accepted);
  ASSERT_TRUE(net.settle());
  EXPECT_FALSE(net.raft(4).refusal().has_value());
  ASSERT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::accepted);
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(net.log(4), net.log(1));
  net.elect(4);
  expect_sound(net);
}

TEST(Joining, ALearnerWhoseDiskWasWipedIsFedFromTheStart) {
  Network net = with_learner();
  start_again_empty(net, 4);
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  EXPECT_FALSE(net.raft(4).refusal().has_value());
  EXPECT_EQ(net.log(4), net.log(1));
  EXPECT_EQ(follower_4(net).match, net.raft(1).last());
  expect_sound(net);
}

// What a former life of a learner acknowledged may arrive at any time.
TEST(Joining, AnAnswerFromBeforeTheDiskWasWipedIsIgnored) {
  Network net = with_learner();
  net.cut(4, 1);
  net.propose(1, "x");
  ASSERT_TRUE(net.settle());
  const AppendReply late{.accepted = true, .match = net.raft(1).last(), .round = 1};
  net.heal();
  net.wipe(4);
  net.restart(4);
  net.heartbeat(1);
  net.deliver(1, 4);
  net.deliver(4, 1);  // it asks
  for (const std::uint64_t id : {2, 3}) {
    net.deliver(1, id);
    net.deliver(id, 1);
  }
  ASSERT_EQ(follower_4(net).match, LogIndex{}) << "welcome is under way, and with it all begins anew";
  net.inject({NodeId{4}, NodeId{1}, net.raft(1).term(), stay_of_4(net), late});
  EXPECT_EQ(follower_4(net).match, LogIndex{});
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(net.log(4), net.log(1));
}

TEST(Joining, WhatALearnerAcknowledgedDoesNotCountOnceItVotes) {
  Network net = with_learner();
  const StayId before = stay_of_4(net);
  ASSERT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::accepted);
  EXPECT_EQ(follower_4(net).match, LogIndex{});
  net.inject({NodeId{4}, NodeId{1}, net.raft(1).term(), before, AppendReply{.accepted = true, .match = LogIndex{4}}});
  EXPECT_EQ(follower_4(net).match, LogIndex{});
  net.drop_all();
  ASSERT_TRUE(net.settle());
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(follower_4(net).match, net.raft(1).last());
}

// With the others of its majority it would be asked for a vote that it cannot give, and nobody would be elected.
TEST(Joining, ALearnerWithoutALogIsNotPromoted) {
  Network net(3);
  net.add(4);
  net.elect(1);
  ASSERT_EQ(net.change(1, {1, 2, 3}, {4}), Outcome::accepted);
  const auto has_entries = [](const Message& message) {
    const auto* append = std::get_if<Append>(&message.body);
    return append != nullptr && message.to == NodeId{4} && !append->entries.empty();
  };
  for (int turn = 0; turn < 20 && follower_4(net).flow != Flow::replicate; ++turn) {
    net.read(1);  // a round of its own: an append without entries, while those with some are lost
    for (int step = 0; step < 4; ++step) {
      std::erase_if(net.wire(), has_entries);
      net.deliver(0, 0);
    }
  }
  std::erase_if(net.wire(), has_entries);
  ASSERT_EQ(net.raft(4).last(), LogIndex{});
  ASSERT_EQ(follower_4(net).flow, Flow::replicate) << "the beginning of their logs is where they agree";
  EXPECT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::not_caught_up);
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::accepted);
}

// Its configuration may be an old one, in which the node had no vote yet.
TEST(Joining, ALeaderThatNobodyConfirmsAnswersNobody) {
  Network net = with_learner();
  start_again_empty(net, 4);
  net.partition({{1, 4}, {2, 3}});
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(net.raft(4).term(), Term{});
  EXPECT_EQ(net.raft(4).last(), LogIndex{});
  net.heal();
  net.heartbeat(1);
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(net.log(4), net.log(1));
}

// Rounds that were confirmed before it asked say nothing of the time since.
TEST(Joining, ARoundThatWasBegunBeforeTheQuestionIsNoConfirmation) {
  Network net = with_learner();
  start_again_empty(net, 4);
  net.heartbeat(1);
  net.deliver(1, 4);
  for (const std::uint64_t id : {2, 3}) net.deliver(1, id);
  net.deliver(4, 1);  // the question
  const std::size_t asked = net.pending();
  net.deliver(2, 1);  // answers of the round before it
  net.deliver(3, 1);
  for (const Message& message : net.wire()) EXPECT_NE(kind_of(message), "join-reply") << asked;
  ASSERT_TRUE(net.settle());
  EXPECT_EQ(net.log(4), net.log(1));
}

}  // namespace
}  // namespace faultline::raft::test
