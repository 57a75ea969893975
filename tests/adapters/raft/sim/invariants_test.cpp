// Each invariant is fed with what a broken Raft would show, and with what a sound one shows right beside it.
#include "invariants.hpp"

#include <gtest/gtest.h>

#include <faultline/raft/codec.hpp>
#include <faultline/raft/kv/codec.hpp>

#include "origin.hpp"

namespace faultline::raft::sim {
namespace {

constexpr NodeId n1{1}, n2{2}, n3{3};
constexpr std::uint64_t boot = 7;

Entry no_op(std::uint64_t index, std::uint64_t term) { return {.term = {term}, .index = {index}}; }

kv::Command put(const std::string& key, const std::string& value) {
  return {.client = {}, .request = kv::Put{.key = key, .value = value}};
}

Entry command(std::uint64_t index, std::uint64_t term, const kv::Command& what, NodeId asked_of = n1) {
  return {.term = {term},
          .index = {index},
          .kind = EntryKind::command,
          .data = with_origin({asked_of, boot, index}, kv::encode(what))};
}

Member member(NodeId id) { return {.id = id, .stay = {1}, .address = {}}; }

Entry config(std::uint64_t index, std::uint64_t term, const Config& what) {
  return {.term = {term}, .index = {index}, .kind = EntryKind::config, .data = encode(what)};
}

// Three nodes that write at once and sync at once, unless told otherwise.
class InvariantsTest : public testing::Test {
 protected:
  InvariantsTest() {
    for (const NodeId id : {n1, n2, n3}) invariants.booted(id, boot, {}, kv::Store(), {});
  }

  void write(NodeId id, const std::vector<Entry>& entries, std::optional<HardState> hard_state = {},
             NodeState state = {}) {
    invariants.emitted(id, state, {.number = ++jobs, .entries = entries, .hard_state = hard_state, .must_sync = true});
  }
  void sync(NodeId id) { invariants.persisted(id, jobs, true); }
  void store(NodeId id, const std::vector<Entry>& entries, std::optional<HardState> hard_state = {},
             NodeState state = {}) {
    write(id, entries, hard_state, state);
    sync(id);
  }
  void be(NodeId id, std::uint64_t term, std::uint64_t commit, bool leads, const kv::Store& state = kv::Store()) {
    invariants.stepped(id, {{term}, {commit}, leads}, state);
  }
  void restart(NodeId id, const Stored& stored, const Birth& birth = {}) {
    invariants.ended(id);
    invariants.booted(id, boot + 1, stored, kv::Store(), birth);
  }

  // The detectors that fired, each once, in order.
  std::string fired() {
    std::string text;
    for (const Finding& finding : invariants.findings()) {
      if (text.find(finding.detector) == std::string::npos) text += (text.empty() ? "" : " ") + finding.detector;
    }
    return text;
  }

  Probes probes;
  Invariants invariants{probes};
  std::uint64_t jobs = 0;
};

TEST_F(InvariantsTest, OneLeaderATermIsSound) {
  be(n1, 2, 0, true);
  be(n1, 2, 0, false);
  be(n2, 3, 0, true);
  EXPECT_EQ(fired(), "");
}

TEST_F(InvariantsTest, TwoLeadersOfATermBreakElectionSafetyAlsoOneAfterTheOther) {
  be(n1, 2, 0, true);
  be(n1, 2, 0, false);
  be(n2, 2, 0, true);
  ASSERT_EQ(fired(), "ES");
  EXPECT_EQ(invariants.findings()[0].sentence, "n1 and n2 both lead in term 2");
}

TEST_F(InvariantsTest, AnAppendOfATermThatAnotherLeadsBreaksElectionSafety) {
  store(n2, {}, HardState{.term = {2}, .vote = n2});
  be(n1, 2, 0, true);
  invariants.sent({.from = n2, .to = n3, .term = {2}, .stay = {1}, .body = Append{}});
  EXPECT_EQ(fired(), "ES");
}

TEST_F(InvariantsTest, ALeaderThatWritesAnIndexAgainIsNotAppendOnly) {
  be(n1, 2, 0, true);
  store(n1, {no_op(1, 2), no_op(2, 2)}, {}, {{2}, {}, true});
  store(n1, {no_op(2, 2)}, {}, {{2}, {}, true});
  EXPECT_EQ(fired(), "LA");
}

TEST_F(InvariantsTest, AFollowerMayCutWhatIsNotCommitted) {
  store(n1, {no_op(1, 1), no_op(2, 1)});
  store(n1, {no_op(2, 2)});
  EXPECT_EQ(fired(), "");
  EXPECT_EQ(probes.count(Probe::suffix_cut), 1U);
}

TEST_F(InvariantsTest, CuttingWhatItKnewCommittedIsNoticed) {
  store(n1, {no_op(1, 1), no_op(2, 1)});
  be(n1, 1, 2, true);
  store(n1, {no_op(2, 2)});
  EXPECT_EQ(fired(), "MON");
}

TEST_F(InvariantsTest, EqualPositionsWithAnotherPastBreakLogMatching) {
  store(n1, {no_op(1, 1), no_op(2, 3)});
  store(n2, {no_op(1, 1), no_op(2, 3)});
  EXPECT_EQ(fired(), "");
  store(n3, {no_op(1, 2), no_op(2, 3)});
  EXPECT_EQ(fired(), "LM");
}

TEST_F(InvariantsTest, EqualPositionsWithAnotherContentBreakLogMatching) {
  store(n1, {command(1, 1, put("k", "a"))});
  store(n2, {command(1, 1, put("k", "b"))});
  EXPECT_EQ(fired(), "LM");
}

TEST_F(InvariantsTest, ALeaderWithoutACommittedEntryBreaksLeaderCompleteness) {
  store(n1, {no_op(1, 1), no_op(2, 1)});
  be(n1, 1, 2, true);
  store(n2, {no_op(1, 1)});
  be(n2, 2, 1, true);
  ASSERT_EQ(fired(), "LC");
  EXPECT_EQ(invariants.findings()[0].sentence, "n2 leads term 2 without 2/1, which n1 knew to be committed in term 1");
}

TEST_F(InvariantsTest, ALeaderNeedNotHoldWhatIsCommittedInALaterTerm) {
  // n1 won term 2 long ago and learns of it late.
  store(n2, {no_op(1, 1), no_op(2, 3)});
  be(n2, 3, 2, true);
  store(n1, {no_op(1, 1)});
  be(n1, 2, 1, true);
  EXPECT_EQ(fired(), "");
}

TEST_F(InvariantsTest, Figure8AnEntryCommittedByCountingIsOverwritten) {
  // Raft figure 8: S1 leads term 2 and 4, S5 leads 3; c to d.
  store(n1, {no_op(1, 1), no_op(2, 2)});
  store(n2, {no_op(1, 1), no_op(2, 2)});
  be(n1, 4, 2, true);  // wrongly, on the word of n2: the entry is of term 2
  store(n3, {no_op(1, 1), no_op(2, 3)});
  be(n3, 5, 1, true);
  EXPECT_EQ(fired(), "LC");
  store(n2, {no_op(2, 3)});
  be(n3, 5, 2, true);
  EXPECT_EQ(fired(), "LC SMS");
}

TEST_F(InvariantsTest, TwoCommittedEntriesOfAnIndexBreakStateMachineSafety) {
  store(n1, {no_op(1, 1)});
  store(n2, {no_op(1, 2)});
  be(n1, 1, 1, false);
  be(n2, 2, 1, false);
  ASSERT_EQ(fired(), "SMS");
  EXPECT_EQ(invariants.findings()[0].sentence, "n2 takes 1/2 for committed where n1 had 1/1");
}

TEST_F(InvariantsTest, WithinALifeNothingFalls) {
  store(n1, {no_op(1, 1), no_op(2, 1)});
  be(n1, 3, 2, false);
  be(n1, 2, 2, false);
  EXPECT_EQ(fired(), "MON");
  be(n1, 2, 1, false);
  ASSERT_EQ(invariants.findings().size(), 2U);
  EXPECT_EQ(invariants.findings()[1].sentence, "the commit index of n1 falls from 2 to 1");
}

TEST_F(InvariantsTest, AppliedBeyondCommitAndCommitBeyondTheLogAreNoticed) {
  store(n1, {no_op(1, 1)});
  be(n1, 1, 2, false);
  kv::Store applied;
  applied.skip({1});
  applied.skip({2});
  applied.skip({3});
  be(n1, 1, 2, false, applied);
  ASSERT_EQ(invariants.findings().size(), 2U);
  EXPECT_EQ(invariants.findings()[0].sentence, "n1 has committed 2, and its log ends at 1");
  EXPECT_EQ(invariants.findings()[1].sentence, "n1 has applied 3, and committed only 2");
}

TEST_F(InvariantsTest, AVoteBeforeTheDiskHasItIsNoticed) {
  write(n1, {}, HardState{.term = {2}, .vote = n2});
  const Message vote{.from = n1, .to = n2, .term = {2}, .stay = {1}, .body = VoteReply{.granted = true}};
  invariants.sent(vote);
  EXPECT_EQ(fired(), "MON");
  sync(n1);
  invariants.sent(vote);
  EXPECT_EQ(invariants.findings().size(), 1U);
}

TEST_F(InvariantsTest, TwoVotesOfATermAreNoticedAlsoAcrossARestart) {
  store(n1, {}, HardState{.term = {2}, .vote = n2});
  invariants.sent({.from = n1, .to = n2, .term = {2}, .stay = {1}, .body = VoteReply{.granted = true}});
  restart(n1, {.hard_state = {.term = {2}, .vote = n2}});
  store(n1, {}, HardState{.term = {2}, .vote = n3});
  EXPECT_EQ(fired(), "MON");
  invariants.sent({.from = n1, .to = n3, .term = {2}, .stay = {1}, .body = VoteReply{.granted = true}});
  EXPECT_EQ(invariants.findings().size(), 2U);
}

// The founders n1 and n2 campaign in term 2 and are wiped while nobody else is beyond the initial configuration.
TEST_F(InvariantsTest, AVoteIsVoidOnceItsVoterAndItsCandidateWereWiped) {
  const auto votes = [&](NodeId voter, NodeId choice) {
    store(voter, {}, HardState{.term = {2}, .vote = choice});
    if (voter == choice) {
      invariants.sent({.from = voter, .to = n3, .term = {2}, .stay = {1}, .body = VoteRequest{}});
    } else {
      invariants.sent({.from = voter, .to = choice, .term = {2}, .stay = {1}, .body = VoteReply{.granted = true}});
    }
  };
  votes(n1, n1);
  restart(n1, {}, {.rotten = true});
  votes(n1, n2);
  EXPECT_EQ(fired(), "") << "nobody can count what n1 gave itself";
  restart(n1, {}, {.rotten = true});
  votes(n1, n3);
  EXPECT_EQ(fired(), "MON") << "n2 can";
}

TEST_F(InvariantsTest, TheVoteOfAWipedNodeBindsItIfItsCandidateLed) {
  store(n1, {}, HardState{.term = {2}, .vote = n1});
  invariants.sent({.from = n1, .to = n3, .term = {2}, .stay = {1}, .body = VoteRequest{}});
  be(n1, 2, 0, true);
  restart(n1, {}, {.rotten = true});
  store(n1, {}, HardState{.term = {2}, .vote = n2});
  invariants.sent({.from = n1, .to = n2, .term = {2}, .stay = {1}, .body = VoteReply{.granted = true}});
  EXPECT_EQ(fired(), "MON");
}

TEST_F(InvariantsTest, AnAcknowledgementBeforeTheDiskHasItIsNoticed) {
  store(n1, {no_op(1, 1)}, HardState{.term = {1}});
  write(n1, {no_op(2, 1)});
  const Message ack{
      .from = n1, .to = n2, .term = {1}, .stay = {1}, .body = AppendReply{.accepted = true, .match = {2}}};
  invariants.sent(ack);
  ASSERT_EQ(fired(), "MON");
  EXPECT_EQ(invariants.findings()[0].sentence,
            "n1 acknowledges 2 to n2, leader of term 1, before its disk has it: that ends at 1");
}

TEST_F(InvariantsTest, WhatWasSyncedMustBeBackAndWhatWasNotNeedNot) {
  store(n1, {no_op(1, 1)}, HardState{.term = {1}, .vote = n1});
  write(n1, {no_op(2, 1)});
  restart(n1, {.hard_state = {.term = {1}, .vote = n1}, .entries = {no_op(1, 1)}});
  EXPECT_EQ(fired(), "");
  restart(n1, {.hard_state = {.term = {1}, .vote = n1}});
  EXPECT_EQ(fired(), "MON");
}

TEST_F(InvariantsTest, ALaterUnsyncedCutExcusesWhatItCut) {
  store(n1, {no_op(1, 1), no_op(2, 1), no_op(3, 1)}, HardState{.term = {1}});
  write(n1, {no_op(2, 2)}, HardState{.term = {2}});
  restart(n1, {.hard_state = {.term = {1}}, .entries = {no_op(1, 1)}});
  EXPECT_EQ(fired(), "");
}

TEST_F(InvariantsTest, RotMayTakeTheLastSyncsAndNoMore) {
  for (std::uint64_t i = 1; i <= 8; ++i) store(n1, {no_op(i, 1)}, HardState{.term = {1}});
  restart(n1, {.hard_state = {.term = {1}}, .entries = {no_op(1, 1), no_op(2, 1), no_op(3, 1), no_op(4, 1)}},
          {.rotten = true});
  EXPECT_EQ(fired(), "");
  EXPECT_NE(invariants.lost_last_sync(), "");
  for (std::uint64_t i = 5; i <= 12; ++i) store(n1, {no_op(i, 2)}, HardState{.term = {2}});
  restart(n1, {.hard_state = {.term = {1}}, .entries = {no_op(1, 1)}}, {.rotten = true});
  EXPECT_EQ(fired(), "MON");
}

TEST_F(InvariantsTest, AllOfALogBehindItsSnapshotMayBeCutAfterARestart) {
  kv::Store state;
  state.skip({1});
  for (const NodeId id : {n1, n2}) {
    store(id, {no_op(1, 1)}, HardState{.term = {1}});
    be(id, 1, 1, false, state);
  }
  store(n1, {no_op(2, 1)});
  store(n2, {no_op(2, 2)}, HardState{.term = {2}});
  invariants.ended(n1);
  invariants.booted(
      n1, boot + 1,
      {.hard_state = {.term = {1}}, .snapshot = Snapshot{.index = {1}, .term = {1}}, .entries = {no_op(2, 1)}}, state,
      {});
  store(n1, {no_op(2, 2)}, HardState{.term = {2}});
  EXPECT_EQ(fired(), "");
}

TEST_F(InvariantsTest, AnEntryThatNobodyWroteIsNoticedWhenItComesBack) {
  store(n1, {no_op(1, 1)});
  restart(n1, {.hard_state = {}, .entries = {no_op(1, 1), command(2, 1, put("k", "?"))}});
  EXPECT_EQ(fired(), "LM");
}

TEST_F(InvariantsTest, EqualAppliedIndexesWithOtherStatesAreNoticed) {
  const kv::Command a = put("k", "a");
  for (const NodeId id : {n1, n2}) store(id, {command(1, 1, a, {9})});
  kv::Store right, wrong;
  right.apply({1}, a);
  wrong.apply({1}, put("k", "b"));
  be(n1, 1, 1, false, right);
  EXPECT_EQ(fired(), "");
  be(n2, 1, 1, false, wrong);
  EXPECT_EQ(fired(), "D");
}

TEST_F(InvariantsTest, ASnapshotWithAnotherStateIsNoticedWhenItIsLoaded) {
  store(n1, {command(1, 1, put("k", "a"), {9})});
  be(n1, 1, 1, false);
  kv::Store wrong;
  wrong.skip({1});
  invariants.ended(n1);
  invariants.booted(n1, boot + 1, {.hard_state = {}, .snapshot = Snapshot{.index = {1}, .term = {1}}}, wrong, {});
  EXPECT_EQ(fired(), "D");
}

TEST_F(InvariantsTest, AReadBelowWhatWasCommittedWhenItCameIsStale) {
  invariants.answered_read(n1, {5}, {5});
  EXPECT_EQ(fired(), "");
  invariants.answered_read(n1, {5}, {4});
  EXPECT_EQ(fired(), "RD");
}

TEST_F(InvariantsTest, AReplyMustBeWhatTheCommittedLogSays) {
  const kv::Command a = put("k", "a");
  invariants.asked(n1, a);
  store(n1, {command(1, 1, a)});
  kv::Store model;
  const kv::Reply reply = model.apply({1}, a);
  invariants.answered(n1, a, reply);  // early: nobody knows it to be committed
  EXPECT_EQ(fired(), "AP");
  be(n1, 1, 1, true, model);
  invariants.answered(n1, a, reply);
  EXPECT_EQ(invariants.findings().size(), 1U);
}

TEST_F(InvariantsTest, ACommandThatNobodyAskedForIsNoticedOnceItIsCommitted) {
  const kv::Command asked = put("k", "a");
  invariants.asked(n1, asked);
  store(n1, {command(1, 1, put("k", "b"))});
  EXPECT_EQ(fired(), "");
  kv::Store model;
  model.apply({1}, put("k", "b"));
  be(n1, 1, 1, true, model);
  EXPECT_EQ(fired(), "AP");
}

TEST_F(InvariantsTest, ChangesOfMembersThatNeedNotMeetOrOverlapAreNoticed) {
  const Config three{.voters = {member(n1), member(n2), member(n3)}};
  const Config other{.voters = {member({4}), member({5}), member({6})}};
  const Config joint{.voters = {member(n1), member(n2)}, .outgoing = three.voters};
  store(n1, {config(1, 1, three)});
  be(n1, 1, 1, true);
  store(n1, {config(2, 1, joint)}, {}, {{1}, {1}, true});
  EXPECT_EQ(fired(), "");
  // The next one before that is committed.
  store(n1, {config(3, 1, {.voters = joint.voters})}, {}, {{1}, {1}, true});
  ASSERT_EQ(invariants.findings().size(), 1U);
  EXPECT_EQ(fired(), "CFG");
  be(n1, 1, 3, true);
  store(n1, {config(4, 1, other)}, {}, {{1}, {3}, true});
  EXPECT_EQ(invariants.findings().size(), 2U);
  // A new leader must first commit something of its own.
  store(n2, {config(1, 1, three), config(2, 1, joint), config(3, 1, {.voters = joint.voters}), config(4, 2, three)}, {},
        {{2}, {3}, true});
  EXPECT_GE(invariants.findings().size(), 3U);
}

TEST_F(InvariantsTest, OneSequenceNumberOfASessionActsOnce) {
  kv::Store model;
  const auto opened =
      std::get<kv::SessionReply>(model.apply({1}, kv::Command{.client = {}, .request = kv::SessionOpen{}}).response);
  kv::Command counted = put("k", "a");
  counted.client = kv::ClientSequence{opened.id, 1};
  store(n1, {command(1, 1, {.client = {}, .request = kv::SessionOpen{}}, {9}), command(2, 1, counted, {9}),
             command(3, 1, counted, {9})});
  model.apply({2}, counted);
  model.apply({3}, counted);
  be(n1, 1, 3, true, model);
  EXPECT_EQ(fired(), "");
}

}  // namespace
}  // namespace faultline::raft::sim
