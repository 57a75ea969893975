// One test per rule of the papers, named by section: snapshots, reads, transfer, flow control, coming back.

#include <faultline/raft/codec.hpp>
#include <faultline/raft/membership.hpp>

#include <memory>

#include "paper.hpp"

namespace faultline::raft::test {
namespace {

TEST(Raft_7, ASnapshotAtOrBelowTheCommitIsIgnored) {
  Network net(3);
  net.elect(1);
  net.propose(1, "x");
  net.settle();
  const Snapshot old{.index = LogIndex{2}, .term = Term{2}, .config = net.raft(3).status().config, .size = 1};
  net.inject({NodeId{1}, NodeId{3}, Term{2}, StayId{1}, SnapshotChunk{.snapshot = old, .length = 1, .bytes = "s"}});
  EXPECT_TRUE(only<SnapshotReply>(net).installed);
  EXPECT_EQ(net.applied(3), "x");
}

TEST(Raft_7, ASnapshotWhoseLastEntryIsInTheLogCutsNothing) {
  Network net(3);
  net.elect(1);
  net.inject(append(1, 3, 2, LogIndex{2}, Term{2}, {command(3, 2, "a"), command(4, 2, "b"), command(5, 2, "c")}, 2));
  net.drop_all();
  const Snapshot late{.index = LogIndex{4}, .term = Term{2}, .config = net.raft(3).status().config, .size = 1};
  net.inject({NodeId{1}, NodeId{3}, Term{2}, StayId{1}, SnapshotChunk{.snapshot = late, .length = 1, .bytes = "s"}});
  EXPECT_TRUE(only<SnapshotReply>(net).installed);
  EXPECT_EQ(net.raft(3).status().last, LogIndex{5});
  EXPECT_EQ(net.raft(3).commit(), LogIndex{4});
}

TEST(Raft_7, ATransferOfASnapshotIsResumedAfterARestartAndByAnotherLeader) {
  Options options;
  options.snapshot_chunk_bytes = 8;
  options.compaction_tail = 0;
  Network net(3, options);
  net.elect(1);
  net.isolate(3);
  for (const char* c : {"a", "b", "c"}) net.propose(1, c);
  net.settle();
  net.heartbeat(1);
  net.settle();
  net.snapshot(1, 40);
  net.snapshot(2, 40);
  net.heal();
  net.heartbeat(1);
  for (int i = 0; i < 7; ++i) {
    net.deliver(1, 3);
    net.deliver(3, 1);
  }
  net.drop_all();
  net.power_loss(3);
  net.restart(3);
  net.isolate(1);
  net.drop_all();
  net.take_transcript();
  net.elect(2);
  net.heartbeat(2);
  net.settle();
  EXPECT_EQ(net.node(3).hash(), net.node(2).hash());
  const std::string told = net.take_transcript();
  EXPECT_EQ(told.find("offset 8 length"), std::string::npos) << told;  // from the start only to learn where it was
  EXPECT_NE(told.find("offset 48 length"), std::string::npos) << told;
  expect_sound(net);
}

// Node 1 leads, and 3 needs a snapshot of several chunks, of which the first is under way.
std::unique_ptr<Network> transferring() {
  Options options;
  options.snapshot_chunk_bytes = 8;
  options.compaction_tail = 0;
  auto net = std::make_unique<Network>(3, options);
  net->elect(1);
  net->isolate(3);
  for (const char* c : {"a", "b", "c"}) net->propose(1, c);
  net->settle();
  net->snapshot(1, 40);
  net->heal();
  net->heartbeat(1);
  net->deliver(1, 3);
  net->deliver(3, 1);
  return net;
}
// The offsets of the chunks under way.
std::vector<std::uint64_t> chunks_of(Network& net) {
  std::vector<std::uint64_t> offsets;
  for (const Message& message : net.wire()) {
    if (const auto* chunk = std::get_if<SnapshotChunk>(&message.body)) offsets.push_back(chunk->offset);
  }
  return offsets;
}

TEST(Raft_7, CopiesOfAChunkDoNotBegetCopiesOfTheNext) {
  const auto net = transferring();
  ASSERT_EQ(chunks_of(*net), std::vector<std::uint64_t>{0});
  for (std::uint64_t next = 8; next <= 32; next += 8) {
    // Slower than heartbeats: each sends the chunk again.
    net->heartbeat(1);
    net->heartbeat(1);
    ASSERT_EQ(chunks_of(*net), std::vector<std::uint64_t>(3, next - 8));
    net->deliver(1, 3);
    net->deliver(3, 1);
    ASSERT_EQ(chunks_of(*net), std::vector<std::uint64_t>{next});
  }
}

TEST(Raft_7, AnOldAnswerDoesNotTakeATransferBackButALostPartDoes) {
  const auto net = transferring();
  net->heartbeat(1);
  const Message answer = [&] {
    net->deliver(1, 3);
    for (const Message& message : net->wire()) {
      if (std::holds_alternative<SnapshotReply>(message.body)) return message;
    }
    return Message{};
  }();
  ASSERT_TRUE(std::holds_alternative<SnapshotReply>(answer.body));
  net->deliver(3, 1);
  ASSERT_EQ(chunks_of(*net), std::vector<std::uint64_t>{8});
  Message less = answer;
  std::get<SnapshotReply>(less.body).wanted = 0;
  net->drop_all();
  net->inject(less);
  EXPECT_TRUE(chunks_of(*net).empty());
  net->heartbeat(1);
  EXPECT_EQ(chunks_of(*net), std::vector<std::uint64_t>{8});
  // To what was sent since: it knows better.
  for (const Message& message : net->wire()) {
    if (const auto* chunk = std::get_if<SnapshotChunk>(&message.body)) {
      std::get<SnapshotReply>(less.body).round = chunk->round;
    }
  }
  net->drop_all();
  net->inject(less);
  EXPECT_EQ(chunks_of(*net), std::vector<std::uint64_t>{0});
}

TEST(Raft_7, ACorruptChunkIsAskedForAgain) {
  Network net(3);
  net.elect(1);
  const Snapshot next{.index = LogIndex{9}, .term = Term{2}, .config = net.raft(3).status().config, .size = 1};
  net.inject(
      {NodeId{1}, NodeId{3}, Term{2}, StayId{1}, SnapshotChunk{.snapshot = next, .length = 1, .bytes = "s", .crc = 1}});
  const auto answer = only<SnapshotReply>(net);
  EXPECT_FALSE(answer.installed);
  EXPECT_EQ(answer.wanted, 0U);
  EXPECT_EQ(net.raft(3).status().last, LogIndex{2});
}

TEST(Raft_7, AFullWindowDoesNotHideThatAFollowerNeedsASnapshot) {
  Options options;
  options.window_messages = 1;
  options.compaction_tail = 0;
  Network net(3, options);
  net.elect(1);
  net.cut(1, 3);
  for (const char* c : {"a", "b", "c"}) {
    net.propose(1, c);
    net.settle();
  }
  net.snapshot(1);
  net.heal();
  for (int i = 0; i < 3; ++i) {
    net.heartbeat(1);
    net.settle();
  }
  EXPECT_EQ(net.node(3).hash(), net.node(1).hash());
}

TEST(Raft_7, CompactionBoundsTheLog) {
  Options options;
  options.compaction_tail = 10;
  Network net(3, options);
  net.elect(1);
  for (int i = 0; i < 2000; ++i) {
    net.propose(1, "x");
    net.settle();
    if (i % 100 == 99) net.snapshot(1);
  }
  EXPECT_LE(net.raft(1).status().last - net.raft(1).status().first, 120U);
  EXPECT_LE(net.node(1).disk().log.size(), 120U);
  EXPECT_GT(net.node(2).disk().log.size(), 2000U);  // who never takes one grows on
}

TEST(Raft_8, AReadNeedsARoundSentAfterItArrived) {
  Network net(3);
  net.elect(1);
  net.heartbeat(1);
  net.deliver(1, 0);  // answers to an older round are under way
  net.read(1);
  std::erase_if(net.wire(), [](const Message& m) { return m.from == NodeId{1}; });
  net.settle();
  EXPECT_TRUE(net.answers().empty());
  net.heartbeat(1);
  net.settle();
  EXPECT_EQ(net.answers().size(), 1U);
}

TEST(Raft_8, ANewLeaderAnswersNoReadBeforeItsNoOpIsCommitted) {
  Network net(3);
  net.elect(1);
  net.propose(1, "x");
  net.settle();
  net.campaign(2);
  while (!net.raft(2).is_leader()) net.deliver(0, 0);
  net.read(2);
  EXPECT_TRUE(net.answers().empty());
  net.settle();
  ASSERT_EQ(net.answers().size(), 1U);
  EXPECT_GE(net.answers()[0].index, LogIndex{4});
}

TEST(D_6_4, AFollowerReadsThroughItsLeaderAndAChangeOfLeaderVoidsIt) {
  Network net(3);
  net.elect(1);
  ASSERT_EQ(net.read(2).outcome, Outcome::accepted);
  net.settle();
  EXPECT_EQ(net.answers().size(), 1U);
  net.read(2);
  net.drop_all();
  net.elect(3);
  ASSERT_EQ(net.lost().size(), 1U);
}

TEST(D_6_4, AFollowerReadThatIsLostOnTheWayIsGivenUp) {
  Network net(3);
  net.elect(1);
  net.read(2);
  net.drop_all();
  net.run(3 * T);
  EXPECT_EQ(net.lost().size(), 1U);
}

TEST(D_6_4, AReadIdFromAFormerLifeIsNotAnswered) {
  Network net(3);
  net.elect(1);
  const ReadTicket before = net.read(2);
  net.power_loss(2);
  net.restart(2);
  net.settle();
  EXPECT_TRUE(net.answers().empty());
  net.heartbeat(1);
  net.settle();
  const ReadTicket after = net.read(2);
  EXPECT_NE(before.id, after.id);
}

TEST(D_6_4_1, ALeaseRunsFromTheSendingOfARoundAndIsShortenedByTheDrift) {
  Network net(3, {.lease_reads = true, .max_clock_drift = .1});
  net.elect(1);
  net.heartbeat(1);
  const Instant sent = net.now();
  net.sleep(milliseconds(300));
  net.settle();
  const auto length = std::chrono::duration_cast<Duration>(T * .9 / 1.1);
  EXPECT_TRUE(net.raft(1).lease_holds(sent + length - milliseconds(1)));
  EXPECT_FALSE(net.raft(1).lease_holds(sent + length + milliseconds(1)));
}

TEST(D_6_4_1, ALeaseReadNeedsNoRoundAndFallsBackToOneOnceTheLeaseIsOver) {
  Network net(3, {.lease_reads = true, .max_clock_drift = .1});
  net.elect(1);
  net.isolate(1);
  net.read(1, ReadMode::lease);
  EXPECT_EQ(net.answers().size(), 1U);
  net.sleep(T);
  net.read(1, ReadMode::lease);
  net.settle();
  EXPECT_EQ(net.answers().size(), 1U);
}

TEST(D_6_4_1, ATransferEndsTheLeaseForTheRestOfTheTerm) {
  Network net(3, {.lease_reads = true, .max_clock_drift = .1});
  net.elect(1);
  EXPECT_TRUE(net.raft(1).lease_holds(net.now()));
  net.transfer(1, 2);
  net.drop_all();  // timeout-now may arrive at any time from now on
  EXPECT_FALSE(net.raft(1).lease_holds(net.now()));
  for (int i = 0; i < 12; ++i) {
    net.heartbeat(1);
    std::erase_if(net.wire(), [](const Message& m) { return kind_of(m) == "timeout-now"; });
    net.settle();
  }
  ASSERT_TRUE(net.raft(1).is_leader());
  EXPECT_EQ(net.propose(1, "x").outcome, Outcome::accepted);
  EXPECT_FALSE(net.raft(1).lease_holds(net.now()));
}

TEST(D_6_4_1, LeaseReadsNeedQuorumChecksAndABoundOfTheDrift) {
  const Options good{.id = NodeId{1}, .lease_reads = true, .max_clock_drift = .01};
  EXPECT_TRUE(validate(good).ok());
  Options no_bound = good;
  no_bound.max_clock_drift.reset();
  EXPECT_FALSE(validate(no_bound).ok());
  Options no_check = good;
  no_check.check_quorum = false;
  EXPECT_FALSE(validate(no_check).ok());
  Network net(1);
  net.elect(1);
  EXPECT_EQ(net.read(1, ReadMode::lease).outcome, Outcome::lease_disabled);
}

TEST(Raft_8, ALocalReadUnderPartitionIsStaleAndAnIndexReadIsNot) {
  Network net(3);
  net.elect(1);
  net.isolate(1);
  net.sleep(T / 2);
  net.sleep(T);
  net.campaign(2);
  net.settle();
  net.propose(2, "new");
  net.settle();
  ASSERT_TRUE(net.raft(1).is_leader());  // nobody has told it the time
  net.read(1, ReadMode::index);
  EXPECT_TRUE(net.answers().empty());
  net.read(1, ReadMode::local);
  ASSERT_EQ(net.answers().size(), 1U);
  EXPECT_LT(net.answers()[0].index, net.raft(2).commit());
}

TEST(D_3_10, OnlyAVoterCanBeHandedLeadershipAndOnlyOneAtATime) {
  Network net(3);
  net.add(4);
  net.elect(1);
  net.change(1, {1, 2, 3}, {4});
  net.settle();
  EXPECT_EQ(net.transfer(1, 4), Outcome::not_a_voter);
  EXPECT_EQ(net.transfer(1, 1), Outcome::unchanged);
  EXPECT_EQ(net.transfer(2, 3), Outcome::not_leader);
  EXPECT_EQ(net.transfer(1, 2), Outcome::accepted);
  EXPECT_EQ(net.transfer(1, 3), Outcome::transferring);
  EXPECT_EQ(net.propose(1, "x").outcome, Outcome::transferring);
}

TEST(D_10_2, TheWindowBoundsWhatIsUnanswered) {
  Options options;
  options.window_messages = 4;
  options.batch_bytes = 30;
  Network net(3, options);
  net.elect(1);
  net.heartbeat(1);
  net.settle();
  for (int i = 0; i < 10; ++i) net.propose(1, "x");
  const Status status = net.raft(1).status();
  EXPECT_EQ(status.followers[0].inflight_messages, 4U);
  EXPECT_EQ(net.pending(), 8U);
  net.settle();
  EXPECT_EQ(net.applied(3), net.applied(1));
  EXPECT_EQ(net.raft(1).status().uncommitted_bytes, 0U);
}

TEST(D_10_2, UncommittedEntriesAndReadsAreBounded) {
  Options options;
  options.uncommitted_bytes = 100;
  options.pending_reads = 2;
  options.entry_bytes = 60;
  Network net(3, options);
  net.elect(1);
  net.isolate(1);
  EXPECT_EQ(net.propose(1, std::string(61, 'x')).outcome, Outcome::too_large);
  EXPECT_EQ(net.propose(1, std::string(60, 'x')).outcome, Outcome::accepted);
  EXPECT_EQ(net.propose(1, std::string(60, 'x')).outcome, Outcome::too_many_requests);
  EXPECT_EQ(net.read(1).outcome, Outcome::accepted);
  EXPECT_EQ(net.read(1).outcome, Outcome::accepted);
  EXPECT_EQ(net.read(1).outcome, Outcome::too_many_requests);
  EXPECT_EQ(net.read(2).outcome, Outcome::accepted);
}

TEST(Rejoin, AnAnswerFromAFormerStayIsIgnored) {
  Network net(3);
  net.add(4);
  net.elect(1);
  net.change(1, {1, 2, 3}, {4});
  net.settle();
  const StayId first = net.raft(1).status().config.find(NodeId{4})->stay;
  net.change(1, {1, 2, 3});
  net.settle();
  net.wipe(4);
  net.restart(4);
  net.isolate(4);
  net.change(1, {1, 2, 3}, {4});
  net.settle();
  EXPECT_GT(net.raft(1).status().config.find(NodeId{4})->stay, first);
  net.inject({NodeId{4}, NodeId{1}, net.raft(1).term(), first, AppendReply{.accepted = true, .match = LogIndex{5}}});
  EXPECT_EQ(net.raft(1).status().followers.back().match, LogIndex{0});
}

TEST(Rejoin, AWipedNodeThatWasAddedAgainDoesNotVoteForItsFormerSelf) {
  Network net(3);
  net.add(4);
  net.elect(1);
  net.change(1, {1, 2, 3}, {4});
  net.settle();
  net.sleep(2 * T);
  EXPECT_FALSE(grants(net, vote(2, 4, 9, 99, 9)));  // addressed to stay 1; this one is younger
  EXPECT_EQ(net.raft(4).term(), Term{9});
}

// It catches up through entries of the time when it was a voter, perhaps the only one; what it promised then is gone.
TEST(Rejoin, AWipedNodeThatWasAddedAgainDoesNotCampaignAsItsFormerSelf) {
  const Config alone = initial_config({{NodeId{4}, {}, {}}});
  const Entry founding{Term{1}, LogIndex{1}, EntryKind::config, encode(alone)};
  const auto joined = [&](StayId stay) {
    auto net = std::make_unique<Network>(3);
    net->add(4);
    net->inject({NodeId{1}, NodeId{4}, Term{5}, stay, Append{}});
    const std::uint64_t boot = only<JoinRequest>(*net).boot;
    net->inject({NodeId{1}, NodeId{4}, Term{5}, stay, JoinReply{.boot = boot}});
    net->inject({NodeId{1}, NodeId{4}, Term{5}, stay, Append{.commit = LogIndex{1}, .entries = {founding}}});
    net->isolate(4);
    return net;
  };
  const auto former = joined(StayId{50});
  former->campaign(4);
  former->settle();
  EXPECT_EQ(former->raft(4).term(), Term{5});
  EXPECT_FALSE(former->raft(4).is_leader());
  former->power_loss(4);
  former->restart(4);
  former->campaign(4);
  former->settle();
  EXPECT_EQ(former->raft(4).term(), Term{5}) << "it remembers which stay it is";
  const auto same = joined(StayId{1});
  same->campaign(4);
  same->settle();
  EXPECT_TRUE(same->raft(4).is_leader()) << "the voter of that configuration may";
}

}  // namespace
}  // namespace faultline::raft::test
