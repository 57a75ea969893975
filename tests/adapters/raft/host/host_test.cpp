#include <gtest/gtest.h>

#include <faultline/raft/kv/snapshot.hpp>

#include "group.hpp"

namespace faultline::raft {
namespace {

using namespace std::chrono_literals;

Write put(std::string key, std::string value, kv::LeaseId lease = kv::no_lease) {
  return {{.client = {}, .request = kv::Put{.key = std::move(key), .value = std::move(value), .lease = lease}}};
}
Write grant(std::int64_t id, std::int64_t ttl) {
  return {{.client = {}, .request = kv::LeaseGrant{.id = kv::LeaseId{id}, .ttl = ttl}}};
}

std::string value_at(const Host& host, const std::string& key) {
  const auto range = host.store().range({.key = key});
  const auto& reply = std::get<kv::RangeReply>(range);
  return reply.kvs.empty() ? "" : reply.kvs.front().value;
}

const kv::Failure* failure_of(const Answer& answer) {
  if (const auto* failure = std::get_if<kv::Failure>(&answer.result)) return failure;
  const auto* reply = std::get_if<kv::Reply>(&answer.result);
  return reply == nullptr ? nullptr : std::get_if<kv::Failure>(&reply->response);
}

NodeId other_than(NodeId node) { return {node.value % 3 + 1}; }

TEST(Host, AWriteAtTheLeaderIsAnsweredWhenItIsApplied) {
  Group group({});
  const NodeId leader = group.await_leader();
  const Answer answer = group.ask(leader, put("k", "v"));
  ASSERT_EQ(failure_of(answer), nullptr);
  EXPECT_EQ(answer.revision, 2);
  EXPECT_EQ(value_at(group.host(leader), "k"), "v");
}

TEST(Host, AFollowerHandsAWriteToItsLeaderAndAnswersItself) {
  Group group({});
  const NodeId follower = other_than(group.await_leader());
  const Answer answer = group.ask(follower, put("k", "v"));
  ASSERT_EQ(failure_of(answer), nullptr);
  EXPECT_EQ(value_at(group.host(follower), "k"), "v");
  EXPECT_EQ(group.host(follower).counters().forwards, 1U);
}

TEST(Host, AWriteThatFindsNoLeaderWasNeverHandedOver) {
  Group group({});
  const NodeId leader = group.await_leader();
  const NodeId alone = other_than(leader);
  group.cut(alone);
  ASSERT_TRUE(group.until([&] { return !group.host(alone).raft().leader(); }));
  const Answer answer = group.ask(alone, put("k", "v"));
  ASSERT_NE(failure_of(answer), nullptr);
  EXPECT_EQ(failure_of(answer)->code, 2);
  EXPECT_EQ(failure_of(answer)->message, "context deadline exceeded");
}

TEST(Host, AWriteInTheLogOfALonelyLeaderHasAnUnknownFate) {
  Group group({});
  const NodeId leader = group.await_leader();
  group.cut(leader);
  const Instant began = group.now();
  const Answer answer = group.ask(leader, put("k", "v"));
  ASSERT_NE(failure_of(answer), nullptr);
  EXPECT_EQ(failure_of(answer)->code, 14);
  EXPECT_GE(group.now() - began, 7s);
}

TEST(Host, AWriteWaitsForTheNextLeaderIfItsOwnIsUnknown) {
  Group group({});
  const NodeId leader = group.await_leader();
  const NodeId alone = other_than(leader);
  group.cut(alone);
  ASSERT_TRUE(group.until([&] { return !group.host(alone).raft().leader(); }));
  const RequestId id = group.submit(alone, put("k", "v"));
  group.pass(1s);
  group.heal();
  ASSERT_TRUE(group.until([&] { return group.answer(alone, id) != nullptr; }, 5s));
  EXPECT_EQ(failure_of(*group.answer(alone, id)), nullptr);
}

TEST(Host, AReadSeesEveryWriteAnsweredBeforeItOnEveryNode) {
  Group group({});
  const NodeId leader = group.await_leader();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(failure_of(group.ask(leader, put("k", std::to_string(i)))), nullptr);
    const NodeId reader{static_cast<std::uint64_t>(i % 3 + 1)};
    const Answer answer = group.ask(reader, Read{});
    ASSERT_EQ(failure_of(answer), nullptr);
    EXPECT_EQ(value_at(group.host(reader), "k"), std::to_string(i));
  }
}

TEST(Host, ALonelyLeaderAnswersNoIndexReadAndALocalOneAtOnce) {
  for (const ReadMode reads : {ReadMode::index, ReadMode::local}) {
    Group group({.reads = reads});
    const NodeId leader = group.await_leader();
    group.cut(leader);
    const RequestId id = group.submit(leader, Read{});
    group.pass(500ms);
    EXPECT_EQ(group.answer(leader, id) != nullptr, reads == ReadMode::local);
  }
}

TEST(Host, ALeaseReadIsAnsweredAtOnceWhileTheLeaseHoldsAndNotAfter) {
  Group group({.reads = ReadMode::lease});
  const NodeId leader = group.await_leader();
  group.pass(500ms);
  const RequestId quick = group.submit(leader, Read{});
  EXPECT_NE(group.answer(leader, quick), nullptr) << "without a round of messages";
  group.cut(leader);
  group.pass(1100ms);
  const RequestId late = group.submit(leader, Read{});
  group.pass(500ms);
  EXPECT_EQ(group.answer(leader, late), nullptr);
}

TEST(Host, ALeaseEndsThroughTheLogAfterItsTtlAndTakesItsKeysAlong) {
  Group group({});
  const NodeId leader = group.await_leader();
  ASSERT_EQ(failure_of(group.ask(leader, grant(7, 3))), nullptr);
  ASSERT_EQ(failure_of(group.ask(leader, put("k", "v", kv::LeaseId{7}))), nullptr);
  group.pass(2500ms);
  EXPECT_EQ(value_at(group.host(leader), "k"), "v");
  const Answer left = group.ask(other_than(leader), LeaseTimeToLive{kv::LeaseId{7}, true});
  const auto& lease = std::get<LeaseAnswer>(left.result);
  EXPECT_EQ(lease.remaining, 1);
  EXPECT_EQ(lease.granted, 3);
  EXPECT_EQ(lease.keys, std::vector<std::string>{"k"});
  group.pass(1s);
  for (std::uint64_t node = 1; node <= 3; ++node) EXPECT_EQ(value_at(group.host({node}), "k"), "");
  const Answer gone = group.ask(leader, LeaseTimeToLive{kv::LeaseId{7}, false});
  EXPECT_EQ(std::get<LeaseAnswer>(gone.result).remaining, -1);
}

TEST(Host, AFollowerThatIsBehindKnowsALeaseThatWasJustGranted) {
  Group group({});
  const NodeId leader = group.await_leader();
  const NodeId follower = other_than(leader);
  for (std::int64_t lease = 1; lease <= 50; ++lease) {
    ASSERT_EQ(failure_of(group.ask(leader, grant(lease, 60))), nullptr);
    ASSERT_EQ(failure_of(group.ask(leader, put("k", "v", kv::LeaseId{lease}))), nullptr);
    const Answer answer = group.ask(follower, LeaseTimeToLive{kv::LeaseId{lease}, true});
    const auto& told = std::get<LeaseAnswer>(answer.result);
    EXPECT_GE(told.remaining, 59);
    EXPECT_EQ(told.keys, std::vector<std::string>{"k"});
  }
}

TEST(Host, AKeepaliveWithoutALeaderSaysSo) {
  Group group({});
  const NodeId alone = other_than(group.await_leader());
  group.cut(alone);
  ASSERT_TRUE(group.until([&] { return !group.host(alone).raft().leader(); }));
  const Answer answer = group.ask(alone, Write{{.client = {}, .request = kv::LeaseKeepalive{kv::LeaseId{7}}}});
  ASSERT_NE(failure_of(answer), nullptr);
  EXPECT_EQ(failure_of(answer)->code, 14);
  EXPECT_EQ(failure_of(answer)->message, "etcdserver: no leader");
}

TEST(Host, ACommandAboveTheLimitIsRefusedAndOneBelowItIsNot) {
  Group group({});
  const NodeId leader = group.await_leader();
  EXPECT_EQ(failure_of(group.ask(leader, put("k", std::string(kv::command_bytes_max - 1000, 'x')))), nullptr);
  const Answer refused = group.ask(leader, put("k", std::string(kv::command_bytes_max, 'x')));
  ASSERT_NE(failure_of(refused), nullptr);
  EXPECT_EQ(failure_of(refused)->message, "etcdserver: request is too large");
}

TEST(Host, AKeepaliveRenewsAndANewLeaderCountsInFull) {
  Group group({});
  NodeId leader = group.await_leader();
  ASSERT_EQ(failure_of(group.ask(leader, grant(7, 4))), nullptr);
  group.pass(3s);
  ASSERT_EQ(failure_of(group.ask(leader, Write{{.client = {}, .request = kv::LeaseKeepalive{kv::LeaseId{7}}}})),
            nullptr);
  group.pass(3s);
  EXPECT_TRUE(group.host(leader).store().lease(kv::LeaseId{7}).has_value());
  const NodeId target = other_than(leader);
  EXPECT_TRUE(std::holds_alternative<Done>(group.ask(leader, Transfer{target}).result));
  ASSERT_EQ(group.await_leader(), target);
  group.pass(3500ms);
  EXPECT_TRUE(group.host(target).store().lease(kv::LeaseId{7}).has_value());
  group.pass(1s);
  EXPECT_FALSE(group.host(target).store().lease(kv::LeaseId{7}).has_value());
}

TEST(Host, ALockIsHeldByOneAtATimeAndTokensGrow) {
  Group group({});
  const NodeId leader = group.await_leader();
  ASSERT_EQ(failure_of(group.ask(leader, grant(1, 60))), nullptr);
  ASSERT_EQ(failure_of(group.ask(leader, grant(2, 60))), nullptr);
  const Answer first = group.ask(leader, Lock{"l", kv::LeaseId{1}});
  const auto held = std::get<LockAnswer>(first.result);
  EXPECT_EQ(held.key, "l/1");
  const NodeId elsewhere = other_than(leader);
  const RequestId second = group.submit(elsewhere, Lock{"l", kv::LeaseId{2}});
  group.pass(10s);
  EXPECT_EQ(group.answer(elsewhere, second), nullptr) << "waits longer than any request may";
  ASSERT_EQ(failure_of(group.ask(leader, Write{{.client = {}, .request = kv::DeleteRange{.key = held.key}}})), nullptr);
  ASSERT_TRUE(group.until([&] { return group.answer(elsewhere, second) != nullptr; }));
  const auto next = std::get<LockAnswer>(group.answer(elsewhere, second)->result);
  EXPECT_GT(next.create_revision, held.create_revision);
}

TEST(Host, AWaiterThatGivesUpLeavesTheQueue) {
  Group group({});
  const NodeId leader = group.await_leader();
  for (const std::int64_t lease : {1, 2, 3}) ASSERT_EQ(failure_of(group.ask(leader, grant(lease, 600))), nullptr);
  const auto held = std::get<LockAnswer>(group.ask(leader, Lock{"l", kv::LeaseId{1}}).result);
  const NodeId elsewhere = other_than(leader);
  const RequestId tired = group.submit(elsewhere, Lock{"l", kv::LeaseId{2}});
  group.pass(1s);
  const RequestId patient = group.submit(leader, Lock{"l", kv::LeaseId{3}});
  group.pass(1s);
  group.host(elsewhere).cancel(group.now(), tired);
  group.pass(1s);
  ASSERT_EQ(failure_of(group.ask(leader, Write{{.client = {}, .request = kv::DeleteRange{.key = held.key}}})), nullptr);
  ASSERT_TRUE(group.until([&] { return group.answer(leader, patient) != nullptr; }));
  EXPECT_EQ(std::get<LockAnswer>(group.answer(leader, patient)->result).key, "l/3");
}

TEST(Host, AWaiterWhoseLeaseEndsIsToldWithoutAKey) {
  Group group({});
  const NodeId leader = group.await_leader();
  ASSERT_EQ(failure_of(group.ask(leader, grant(1, 600))), nullptr);
  ASSERT_EQ(failure_of(group.ask(leader, grant(2, 3))), nullptr);
  ASSERT_TRUE(std::holds_alternative<LockAnswer>(group.ask(leader, Lock{"l", kv::LeaseId{1}}).result));
  const Answer gone = group.ask(leader, Lock{"l", kv::LeaseId{2}});
  EXPECT_EQ(std::get<LockAnswer>(gone.result).key, "");
}

TEST(Host, ASnapshotBringsALateNodeUpToDate) {
  Group group({.snapshot_entries = 50});
  const NodeId leader = group.await_leader();
  const NodeId late = other_than(leader);
  group.cut(late);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(failure_of(group.ask(leader, put("k" + std::to_string(i % 7), std::to_string(i)))), nullptr);
  }
  EXPECT_GT(group.host(leader).raft().status().first.value, 50U) << "the log was compacted";
  group.heal();
  const auto caught_up = [&] { return group.host(late).store().applied() == group.host(leader).store().applied(); };
  ASSERT_TRUE(group.until(caught_up));
  EXPECT_EQ(group.host(late).store().hash(), group.host(leader).store().hash());
  EXPECT_GE(group.host(late).raft().status().counters.snapshots_installed, 1U);
  EXPECT_EQ(value_at(group.host(late), "k6"), "293");
}

// Else a store that keeps its history would be written again and again, ever larger.
TEST(Host, SnapshotsWaitUntilTheEntriesWeighAsMuchAsTheLastOne) {
  Group group({.snapshot_entries = 20});
  const NodeId leader = group.await_leader();
  std::set<std::string> taken;
  for (int i = 0; i < 640; ++i) {
    ASSERT_EQ(failure_of(group.ask(leader, put("k", std::string(500, 'v')))), nullptr);
    taken.insert(group.told(leader, "snapshot"));
  }
  taken.erase("");
  EXPECT_GE(taken.size(), 4U);
  EXPECT_LE(taken.size(), 8U) << "about 20, 40, 80, 160, 320, 640, not every 20";
}

TEST(Host, ARestartedNodeAnswersNothingOfItsFormerLife) {
  Group group({.snapshot_entries = 20});
  NodeId leader = group.await_leader();
  for (int i = 0; i < 60; ++i) ASSERT_EQ(failure_of(group.ask(leader, put("k", std::to_string(i)))), nullptr);
  for (std::uint64_t node = 1; node <= 3; ++node) {
    group.restart({node});
    leader = group.await_leader();
    const Answer answer = group.ask({node}, Read{});
    ASSERT_EQ(failure_of(answer), nullptr);
    EXPECT_EQ(value_at(group.host({node}), "k"), "59");
  }
  group.pass(2s);
  for (std::uint64_t node = 2; node <= 3; ++node) {
    EXPECT_EQ(group.host({node}).store().hash(), group.host({1}).store().hash());
  }
}

TEST(Host, MembersComeAndGoWhileWritesGoOn) {
  Group group({.snapshot_entries = 20});
  NodeId leader = group.await_leader();
  for (int i = 0; i < 50; ++i) ASSERT_EQ(failure_of(group.ask(leader, put("k", std::to_string(i)))), nullptr);
  group.add({4});
  using Kind = ChangeMembers::Kind;
  const Member fourth{{4}, {}, "node-4"};
  ASSERT_TRUE(std::holds_alternative<Done>(group.ask(leader, ChangeMembers{Kind::add_learner, fourth}).result));
  const auto promoted = [&] {
    return std::holds_alternative<Done>(group.ask(leader, ChangeMembers{Kind::promote, fourth}).result);
  };
  ASSERT_TRUE(group.until(promoted));
  ASSERT_EQ(failure_of(group.ask(leader, put("k", "four"))), nullptr);
  const NodeId removed = leader;
  ASSERT_TRUE(std::holds_alternative<Done>(group.ask(leader, ChangeMembers{Kind::remove, {removed, {}, {}}}).result));
  group.cut(removed);
  const auto replaced = [&] { return group.leader() && group.leader() != removed; };
  ASSERT_TRUE(group.until(replaced));
  leader = group.leader();
  EXPECT_EQ(group.host(leader).raft().status().config.find(removed), nullptr);
  ASSERT_EQ(failure_of(group.ask(leader, put("k", "five"))), nullptr);
  ASSERT_TRUE(group.until([&] { return value_at(group.host({4}), "k") == "five"; }));
}

TEST(Host, AChangeOfMembersRightAfterAnElectionWaitsForTheFirstCommit) {
  Group group({});
  ASSERT_TRUE(group.until([&] {
    for (std::uint64_t node = 1; node <= 3; ++node) {
      if (group.host({node}).raft().is_leader()) return true;
    }
    return false;
  }));
  NodeId leader;
  for (std::uint64_t node = 1; node <= 3; ++node) {
    if (group.host({node}).raft().is_leader()) leader = {node};
  }
  group.add({4});
  const Member fourth{{4}, {}, "node-4"};
  const Answer added = group.ask(leader, ChangeMembers{ChangeMembers::Kind::add_learner, fourth});
  EXPECT_TRUE(std::holds_alternative<Done>(added.result));
}

TEST(Host, AConfigurationThatComesWithASnapshotIsTold) {
  Group group({.snapshot_entries = 20});
  const NodeId leader = group.await_leader();
  const NodeId late = other_than(leader);
  group.cut(late);
  group.add({4});
  ASSERT_EQ(failure_of(group.ask(leader, put("k", "in its own term"))), nullptr);
  const Member fourth{{4}, {}, "node-4"};
  const auto kind = ChangeMembers::Kind::add_learner;
  ASSERT_TRUE(std::holds_alternative<Done>(group.ask(leader, ChangeMembers{kind, fourth}).result));
  for (int i = 0; i < 300; ++i) ASSERT_EQ(failure_of(group.ask(leader, put("k", std::to_string(i)))), nullptr);
  group.heal();
  ASSERT_TRUE(group.until([&] { return value_at(group.host(late), "k") == "299"; }));
  ASSERT_GE(group.host(late).raft().status().counters.snapshots_installed, 1U);
  EXPECT_EQ(group.told(late, "config"), to_text(group.host(leader).raft().config()));
}

TEST(Host, AForwardedWriteWhoseFrameIsLostHasAnUnknownFate) {
  Group group({});
  const NodeId follower = other_than(group.await_leader());
  group.lose_frames(1);
  const Answer answer = group.ask(follower, put("k", "v"));
  ASSERT_NE(failure_of(answer), nullptr);
  EXPECT_EQ(failure_of(answer)->code, 14);
}

constexpr std::uint64_t forward_kind = 1;
constexpr std::uint64_t refused_kind = 2;

TEST(Host, AForwardedWriteThatComesTwiceIsAppendedOnce) {
  Group group({});
  const NodeId leader = group.await_leader();
  group.repeat_frames(forward_kind, 30ms);
  ASSERT_EQ(failure_of(group.ask(other_than(leader), put("k", "old"))), nullptr);
  const Answer newer = group.ask(leader, put("k", "new"));
  group.pass(100ms);
  EXPECT_EQ(group.host(leader).store().revision(), newer.revision);
  EXPECT_EQ(value_at(group.host(leader), "k"), "new");
}

TEST(Host, AForwardedWriteIsAppendedOnceAlsoWhereRefusalsAndRepetitionsCross) {
  for (const std::uint64_t repeated : {forward_kind, refused_kind}) {
    for (int later = 1; later <= 40; later += 3) {
      Group group({.nodes = 3, .seed = static_cast<std::uint64_t>(later)});
      const NodeId leader = group.await_leader();
      const NodeId follower = other_than(leader);
      group.repeat_frames(repeated, later * 1ms);
      // While it hands leadership over, the leader refuses what is forwarded.
      group.submit(leader, Transfer{other_than(follower) == leader ? follower : other_than(follower)});
      const Answer answer = group.ask(follower, put("k", "v"));
      ASSERT_EQ(failure_of(answer), nullptr) << "repeated after " << later << " ms";
      group.pass(200ms);
      EXPECT_EQ(group.host(follower).store().revision(), 2) << "repeated after " << later << " ms";
    }
  }
}

struct Packed {
  Snapshot label;
  std::string bytes;
};

Packed snapshot_of_no_ops(LogIndex applied, const Config& config) {
  kv::Store store;
  for (LogIndex index{1}; index <= applied; ++index) store.skip(index);
  Packed packed{.label = {.index = applied, .term = {1}, .config = config}, .bytes = {}};
  kv::Exporter exporter(store.view());
  for (std::string piece = exporter.next(1000); !piece.empty(); piece = exporter.next(1000)) packed.bytes += piece;
  packed.label.size = packed.bytes.size();
  packed.label.checksum = crc32c(packed.bytes);
  return packed;
}

TEST(Host, OfTwoSnapshotsThatBecomeDurableTogetherTheNewerIsTheState) {
  const Config config{.voters = {{{1}, {1}, {}}, {{2}, {1}, {}}, {{3}, {1}, {}}}, .outgoing = {}, .learners = {}};
  HostOptions options;
  options.raft.id = {3};
  Host host(options, {}, {}, Rng(1), Instant());
  host.receive(Instant(), {{1}, {3}, Message{.from = {1}, .to = {3}, .term = {2}, .stay = {2}, .body = JoinReply{}}});
  std::vector<std::uint64_t> jobs;
  for (const std::uint64_t applied : {10, 20}) {
    const Packed packed = snapshot_of_no_ops({applied}, config);
    const SnapshotChunk chunk{.snapshot = packed.label,
                              .offset = 0,
                              .length = packed.bytes.size(),
                              .bytes = packed.bytes,
                              .crc = crc32c(packed.bytes),
                              .round = 1};
    host.receive(Instant(), {{1}, {3}, Message{.from = {1}, .to = {3}, .term = {2}, .stay = {2}, .body = chunk}});
    for (const DiskJob& job : host.flush(Instant()).jobs) jobs.push_back(job.number);
  }
  kv::Store newer;
  for (LogIndex index{1}; index.value <= 20; ++index) newer.skip(index);
  ASSERT_GE(jobs.size(), 2U);
  host.persisted(Instant(), jobs.back(), std::move(newer));
  host.flush(Instant());
  EXPECT_EQ(host.store().applied(), LogIndex{20});
}

TEST(Host, HeartbeatsNeedNoDiskButAFullOneIsAskedAgain) {
  Group group({});
  const NodeId leader = group.await_leader();
  group.pass(2s);
  const std::uint64_t jobs = group.jobs(leader);
  group.pass(2s);
  EXPECT_EQ(group.jobs(leader), jobs);
  group.host(leader).set_space(false);
  group.pass(2s);
  EXPECT_GT(group.jobs(leader), jobs) << "every job finds out whether there is room again";
}

TEST(Host, WithoutSpaceWritesAreRefusedAndReadsAreNot) {
  Group group({});
  const NodeId leader = group.await_leader();
  group.host(leader).set_space(false);
  const Answer refused = group.ask(leader, put("k", "v"));
  ASSERT_NE(failure_of(refused), nullptr);
  EXPECT_EQ(failure_of(refused)->code, 8);
  EXPECT_EQ(failure_of(group.ask(leader, Read{})), nullptr);
}

TEST(Frame, EveryCutEveryExtraByteAndEveryFlippedBitIsRefused) {
  const std::vector<Frame> frames{
      {{1}, {2}, Forward{{2}, 3, 4, "entry"}},
      {{1}, {2}, Refused{3, 4, Outcome::too_large}},
      {{1}, {2}, LeaseQuestion{3, 4, kv::LeaseId{5}}},
      {{1}, {2}, LeaseReport{3, 4, true, 5, {6}}},
      {{1}, {2}, Message{.from = {1}, .to = {2}, .term = {3}, .stay = {1}, .body = VoteReply{true, true}}}};
  for (const Frame& frame : frames) {
    const std::string bytes = encode(frame);
    ASSERT_TRUE(decode_frame(bytes).ok());
    EXPECT_EQ(decode_frame(bytes).value(), frame);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_frame(bytes.substr(0, size)).ok()) << size;
    }
    EXPECT_FALSE(decode_frame(bytes + "\x01").ok());
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(decode_frame(damaged).ok()) << bit;
    }
  }
}

}  // namespace
}  // namespace faultline::raft
