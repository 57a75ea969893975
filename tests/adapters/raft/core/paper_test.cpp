// One test per rule of the papers, named by section: "Raft" is the extended paper, "D" the dissertation. Here
// elections, replication and membership; the rest in paper_service_test.cpp.

#include "paper.hpp"

namespace faultline::raft::test {
namespace {

TEST(Raft_5_1, ANewerTermIsTakenOverAndClearsTheVote) {
  Network net(3);
  net.sleep(2 * T);
  EXPECT_TRUE(grants(net, vote(1, 3, 2, 1, 1)));
  EXPECT_FALSE(grants(net, vote(2, 3, 2, 1, 1)));
  EXPECT_TRUE(grants(net, vote(2, 3, 3, 1, 1)));
  EXPECT_EQ(net.raft(3).term(), Term{3});
}

TEST(Raft_5_1, AnOldTermIsRefusedAndToldTheNewOne) {
  Network net(3);
  net.elect(1);
  net.elect(2);
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {}, 2));
  EXPECT_EQ(net.wire().front().term, net.raft(2).term());
  EXPECT_FALSE(only<AppendReply>(net).accepted);
}

TEST(Raft_5_2, OneVoteInATermAndTheSameOneAgain) {
  Network net(3);
  net.sleep(2 * T);
  EXPECT_TRUE(grants(net, vote(1, 3, 2, 1, 1)));
  EXPECT_TRUE(grants(net, vote(1, 3, 2, 1, 1)));
  EXPECT_FALSE(grants(net, vote(2, 3, 2, 9, 1)));
}

TEST(Raft_5_2, AVoteSurvivesARestart) {
  Network net(3);
  net.sleep(2 * T);
  EXPECT_TRUE(grants(net, vote(1, 3, 2, 1, 1)));
  net.power_loss(3);
  net.restart(3);
  net.drop_all();
  net.sleep(2 * T);
  EXPECT_FALSE(grants(net, vote(2, 3, 2, 9, 1)));
}

TEST(Raft_5_2, ItsOwnVoteCountsOnceItIsDurable) {
  Network net(1);
  net.slow_disk(1);
  net.campaign(1);
  EXPECT_EQ(net.raft(1).status().role, Role::candidate);
  net.persist(1);
  EXPECT_TRUE(net.raft(1).is_leader());
}

TEST(Raft_5_2, AMajorityOfAllVotersNotOfTheOthersIsNeeded) {
  Network net(4);
  net.partition({{1, 2}, {3, 4}});
  net.campaign(1);
  net.settle();
  EXPECT_FALSE(net.raft(1).is_leader());  // 2 of 4; counted over the 3 followers it would be enough
}

TEST(Raft_5_2, ElectionTimeoutsDifferAndAreDrawnAnew) {
  Network net(5);
  net.partition({{1}, {2}, {3}, {4}, {5}});
  std::set<Instant> deadlines;
  for (int round = 0; round < 4; ++round) {
    for (std::uint64_t id = 1; id <= 5; ++id) {
      net.campaign(id);
      const Instant next = net.raft(id).next_tick();
      EXPECT_GE(next, net.now() + T);
      EXPECT_LT(next, net.now() + 2 * T);
      deadlines.insert(next - (net.now() - Instant{}));
    }
  }
  EXPECT_GT(deadlines.size(), 15U);
}

TEST(Raft_5_2, ASignOfLifeOfAnOldTermDoesNotKeepAFollowerQuiet) {
  Network net(3);
  net.elect(1);
  net.elect(2);
  const Instant before = net.raft(3).next_tick();
  net.sleep(milliseconds(500));
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {}, 2));
  EXPECT_EQ(net.raft(3).next_tick(), before);
}

TEST(Raft_5_3, ALeaderOnlyAppends) {
  Network net(3);
  net.elect(1);
  net.isolate(1);
  net.propose(1, "dead");
  net.drop_all();
  net.heal();
  net.elect(2);
  net.elect(1);
  EXPECT_EQ(net.applied(1), net.applied(2));
  expect_sound(net);
}

TEST(Raft_5_3, AnAppendIsRefusedIfTheEntryBeforeItHasAnotherTerm) {
  Network net(3);
  net.elect(1);
  net.inject(append(2, 3, 5, LogIndex{2}, Term{4}, {command(3, 5, "x")}, 0));
  const auto refused = only<AppendReply>(net);
  EXPECT_FALSE(refused.accepted);
  EXPECT_EQ(refused.hint_index, LogIndex{2});
  EXPECT_EQ(net.raft(3).status().last, LogIndex{2});
}

TEST(Raft_5_3, AConflictCutsTheLogThereAndOnlyThere) {
  Network net(3);
  net.elect(1);
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {command(3, 2, "a"), command(4, 2, "b"), command(5, 2, "c")}, 2));
  net.drop_all();
  net.inject(append(2, 3, 3, LogIndex{3}, Term{2}, {command(4, 3, "B")}, 2));
  EXPECT_EQ(only<AppendReply>(net).match, LogIndex{4});
  EXPECT_EQ(net.log(3), "1/1 {voters 1 2 3}, 2/2 no-op, 3/2 a, 4/3 B");
}

TEST(Raft_5_3, ALateShortAppendDoesNotShortenTheLog) {
  Network net(3);
  net.elect(1);
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {command(3, 2, "a"), command(4, 2, "b")}, 2));
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {command(3, 2, "a")}, 2));
  EXPECT_EQ(net.raft(3).status().last, LogIndex{4});
}

TEST(Raft_5_3, CommitIsBoundedByTheLastEntryThisAppendVerified) {
  Network net(3);
  net.elect(1);
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {command(3, 2, "a"), command(4, 2, "dead")}, 2));
  net.inject(append(2, 3, 3, LogIndex{2}, Term{2}, {}, 4));  // the new leader's 3 and 4 are others
  EXPECT_EQ(net.raft(3).commit(), LogIndex{2});
  net.inject(append(2, 3, 3, LogIndex{2}, Term{2}, {command(3, 2, "a")}, 4));
  EXPECT_EQ(net.raft(3).commit(), LogIndex{3});
}

TEST(Raft_5_3, MatchIsWhatTheAcknowledgedRequestHeld) {
  Network net(3);
  net.elect(1);
  net.propose(1, "lost");
  net.drop_all();
  net.inject({NodeId{2}, NodeId{1}, net.raft(1).term(), StayId{1},
              AppendReply{.accepted = true, .prev_index = LogIndex{2}, .match = LogIndex{2}}});
  EXPECT_EQ(net.raft(1).status().followers[0].match, LogIndex{2});
  EXPECT_EQ(net.raft(1).commit(), LogIndex{2});
}

TEST(Raft_5_3, AnAnswerIsWorthNothingAfterTheNextElection) {
  Network net(3);
  net.elect(1);
  net.propose(1, "x");
  net.settle();
  net.elect(2);
  net.isolate(2);
  net.elect(1);
  EXPECT_EQ(net.raft(1).status().followers[0].match, LogIndex{0});  // of 2, which holds all, and has not said so
}

// Figure 7: the leader of term 8 and the six followers it may meet.
TEST(Raft_5_3, TheLeaderRepairsTheSixLogsOfFigure7) {
  const std::vector<std::vector<std::uint64_t>> logs{
      {1, 1, 1, 4, 4, 5, 5, 6, 6},          {1, 1, 1, 4},          {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7}, {1, 1, 1, 4, 4, 4, 4}, {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}};
  const std::vector<std::uint64_t> leader{1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  for (const auto& log : logs) {
    Network net(3);
    const auto write = [&](std::uint64_t to, const std::vector<std::uint64_t>& terms) {
      std::vector<Entry> entries;
      for (std::size_t i = 0; i < terms.size(); ++i) {
        entries.push_back(command(i + 2, terms[i], "t" + std::to_string(terms[i])));
      }
      net.inject(append(3, to, terms.back(), LogIndex{1}, Term{1}, entries, 1));
      net.drop_all();
    };
    write(1, leader);
    write(2, log);
    net.campaign(1);
    net.settle();
    if (!net.raft(1).is_leader()) net.elect(1);  // node 2 of log (d) knew a newer term
    net.heartbeat(1);
    net.settle();
    EXPECT_EQ(net.log(1), net.log(2));
    EXPECT_EQ(net.log(1), net.log(3));
    expect_sound(net);
  }
}

TEST(Raft_5_4_1, TheLastTermCountsBeforeTheLength) {
  Network net(3);
  net.elect(1);
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {command(3, 2, "a")}, 2));
  net.drop_all();
  net.sleep(2 * T);
  EXPECT_FALSE(grants(net, vote(2, 3, 9, 9, 1)));  // longer, but older: by index alone it would win
  EXPECT_FALSE(grants(net, vote(2, 3, 10, 2, 2)));
  EXPECT_TRUE(grants(net, vote(2, 3, 11, 3, 2)));
  EXPECT_TRUE(grants(net, vote(2, 3, 12, 1, 3)));  // shorter, but newer
}

TEST(Raft_5_4_2, EntriesOfEarlierTermsAreNotCommittedByCounting) {
  Network net(3);
  net.elect(1);
  net.isolate(1);
  net.propose(1, "old");
  net.drop_all();
  net.heal();
  net.campaign(1);  // deposes itself: nobody answered for 2 T
  net.drop_all();
  net.elect(1);
  net.heartbeat(1);
  net.settle();
  EXPECT_EQ(net.applied(2), "old");
  // Now only the old entry is acknowledged.
  net.isolate(1);
  net.propose(1, "older");
  net.drop_all();
  net.heal();
  net.campaign(1);
  net.drop_all();
  net.campaign(1);
  while (!net.raft(1).is_leader()) {
    ASSERT_FALSE(net.wire().empty());
    net.deliver(0, 0);
  }
  net.drop_all();
  const LogIndex old = net.raft(1).status().last - 1;
  const LogIndex before = net.raft(1).commit();
  net.inject({NodeId{2}, NodeId{1}, net.raft(1).term(), StayId{1},
              AppendReply{.accepted = true, .prev_index = old - 1, .match = old}});
  EXPECT_EQ(net.raft(1).commit(), before);
  net.inject({NodeId{2}, NodeId{1}, net.raft(1).term(), StayId{1},
              AppendReply{.accepted = true, .prev_index = old, .match = old + 1}});
  EXPECT_EQ(net.raft(1).commit(), old + 1);
}

TEST(Raft_6, AConfigurationIsInForceFromItsAppendAndUndoneWhenCut) {
  Network net(3);
  net.elect(1);
  net.isolate(1);
  ASSERT_EQ(net.change(1, {1, 2}), Outcome::accepted);
  EXPECT_TRUE(net.raft(1).status().config.joint());
  net.drop_all();
  net.heal();
  net.elect(2);
  net.heartbeat(2);
  net.settle();
  EXPECT_EQ(to_text(net.raft(1).status().config), "voters 1 2 3");
  expect_sound(net);
}

TEST(Raft_6, AJointConfigurationNeedsBothMajorities) {
  Network net(3);
  for (const std::uint64_t id : {4U, 5U}) net.add(id);
  net.elect(1);
  net.change(1, {1, 2, 3}, {4, 5});
  net.settle();
  net.partition({{1, 4, 5}, {2, 3}});
  ASSERT_EQ(net.change(1, {1, 4, 5}), Outcome::accepted);
  net.settle();
  EXPECT_LT(net.raft(1).commit(), net.raft(1).status().last);  // all of the new, one of three of the old
  EXPECT_TRUE(net.raft(1).status().config.joint());
  net.heal();
  net.heartbeat(1);
  net.settle();
  EXPECT_EQ(to_text(net.raft(1).status().config), "voters 1 4@5 5@5");
  expect_sound(net);
}

TEST(Raft_6, ALeaderThatIsRemovedCommitsThatAndStepsDown) {
  Network net(3);
  net.elect(1);
  ASSERT_EQ(net.change(1, {2, 3}), Outcome::accepted);
  net.settle();
  EXPECT_FALSE(net.raft(1).is_leader());
  net.campaign(1);
  EXPECT_EQ(net.raft(1).status().role, Role::follower);  // it is no member any more
  net.elect(2);
  expect_sound(net);
}

TEST(D_4_1, OneChangeAtATimeAndNoneBeforeAnOwnCommit) {
  Network net(3);
  net.campaign(1);
  while (!net.raft(1).is_leader()) net.deliver(0, 0);
  EXPECT_EQ(net.change(1, {1, 2}), Outcome::no_own_commit);
  net.settle();
  EXPECT_EQ(net.change(1, {1, 2}), Outcome::accepted);
  EXPECT_EQ(net.change(1, {1, 3}), Outcome::change_in_flight);
  EXPECT_EQ(net.change(2, {1, 3}), Outcome::not_leader);
}

TEST(D_4_1, ChangesThatMakeNoSenseAreRefused) {
  Network net(3);
  net.elect(1);
  EXPECT_EQ(net.change(1, {}), Outcome::invalid_change);
  EXPECT_EQ(net.change(1, {1, 1, 2}), Outcome::invalid_change);
  EXPECT_EQ(net.change(1, {1, 2, 3}), Outcome::unchanged);
  EXPECT_EQ(net.change(1, {1, 2}, {2}), Outcome::invalid_change);
  EXPECT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::not_caught_up);  // nobody votes who was not a learner first
}

TEST(D_4_2_1, ALearnerHasNoVoteAndCountsForNoQuorumUntilItIsPromoted) {
  Network net(3);
  for (const std::uint64_t id : {4U, 5U}) net.add(id);
  net.elect(1);
  net.change(1, {1, 2, 3}, {4, 5});
  net.settle();
  EXPECT_EQ(net.applied(4), net.applied(1));
  net.partition({{1, 4, 5}, {2, 3}});  // three of five, but one voter of three
  net.propose(1, "x");
  net.settle();
  EXPECT_EQ(net.applied(1), "");
  net.campaign(4);
  EXPECT_EQ(net.raft(4).status().role, Role::follower);
}

TEST(D_4_2_1, ALearnerThatLagsIsNotPromoted) {
  Network net(3);
  net.add(4);
  net.elect(1);
  net.isolate(4);
  net.change(1, {1, 2, 3}, {4});
  net.settle();
  EXPECT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::not_caught_up);
  net.heal();
  net.heartbeat(1);
  net.settle();
  EXPECT_EQ(net.change(1, {1, 2, 3, 4}), Outcome::accepted);
}

TEST(D_4_2_2, TheOnlyHolderOfItsOwnRemovalStillCampaigns) {
  Network net(2);
  net.elect(1);
  ASSERT_EQ(net.change(1, {2}), Outcome::accepted);
  net.deliver(1, 2);
  net.deliver(2, 1);  // joint is committed; {2} is appended at 1 alone
  net.drop_all();
  net.power_loss(1);
  net.restart(1);
  net.drop_all();
  net.run(6 * T);
  EXPECT_TRUE(net.raft(2).is_leader());
  EXPECT_EQ(to_text(net.raft(2).status().config), "voters 2");
  expect_sound(net);
}

TEST(D_4_2_3, NobodyVotesWithinAnElectionTimeoutOfHearingALeader) {
  Network net(3);
  net.elect(1);
  net.heartbeat(1);
  net.settle();
  net.sleep(T - milliseconds(1));
  EXPECT_FALSE(grants(net, vote(2, 3, 9, 9, 9)));
  EXPECT_EQ(net.raft(3).term(), Term{2});  // it is not even looked at
  net.sleep(milliseconds(1));
  EXPECT_TRUE(grants(net, vote(2, 3, 9, 9, 9)));
}

TEST(D_6_4, ARestartedVoterGrantsNothingForAnElectionTimeout) {
  Network net(3);
  net.elect(1);
  net.power_loss(3);
  net.restart(3);
  net.drop_all();
  EXPECT_FALSE(grants(net, vote(2, 3, 9, 9, 9)));
  net.sleep(T);
  EXPECT_TRUE(grants(net, vote(2, 3, 9, 9, 9)));
}

TEST(D_9_6, APreVoteRaisesNoTermAndARejoiningNodeDeposesNobody) {
  Network net(3);
  net.elect(1);
  net.isolate(3);
  for (int i = 0; i < 10; ++i) {
    net.campaign(3);
    net.heartbeat(1);
    net.settle();
    net.heartbeat(1);
    net.settle();
    if (!net.raft(1).is_leader()) net.elect(1);
  }
  const Term term = net.raft(1).term();
  EXPECT_LE(net.raft(3).term(), Term{2});
  net.heal();
  net.run(3 * T);
  EXPECT_EQ(net.raft(3).term(), term);
  EXPECT_TRUE(net.raft(1).is_leader());
}

TEST(D_9_6, WithoutPreVotesARejoiningNodeDeposesTheLeader) {
  Network net(3, {.pre_vote = false});
  net.elect(1);
  net.isolate(3);
  net.run(5 * T);
  EXPECT_TRUE(net.raft(1).is_leader());
  const Term term = net.raft(1).term();
  net.heal();
  net.run(3 * T);
  EXPECT_GT(net.raft(net.leader()).term(), term);
}

TEST(D_6_2, ALeaderThatAQuorumDoesNotAnswerStepsDown) {
  Network net(3);
  net.elect(1);
  net.cut(2, 1);
  net.cut(3, 1);  // it is heard, but hears nobody
  net.run(T + T / 5);
  EXPECT_NE(net.leader(), 1U);
  net.run(5 * T);
  EXPECT_NE(net.leader(), 0U);
}

TEST(D_6_2, WithoutQuorumChecksADeafLeaderStaysForEver) {
  Network net(3, {.check_quorum = false});
  net.elect(1);
  net.cut(2, 1);
  net.cut(3, 1);
  net.run(10 * T);
  EXPECT_EQ(net.leader(), 1U);
}

}  // namespace
}  // namespace faultline::raft::test
