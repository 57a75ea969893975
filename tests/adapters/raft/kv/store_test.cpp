// One claim each, in the order of the header. Codes and texts are etcd 3.4.23's, as it answered them.
#include <gtest/gtest.h>

#include <faultline/raft/kv/errors.hpp>
#include <faultline/raft/kv/lock.hpp>
#include <faultline/raft/kv/snapshot.hpp>

namespace faultline::raft::kv {
namespace {

struct Machine {
  Store store;
  Reply operator()(decltype(Command::request) request) {
    return store.apply(store.applied() + 1, {.request = std::move(request)});
  }
  Reply in_session(SessionReply session, std::uint64_t sequence, decltype(Command::request) request) {
    return store.apply(store.applied() + 1,
                       {.client = ClientSequence{session.id, sequence}, .request = std::move(request)});
  }
  Reply put(std::string key, std::string value = "v") {
    return (*this)(Put{.key = std::move(key), .value = std::move(value)});
  }
  std::string refusal(decltype(Command::request) request) {
    const StateHash sum = hash_without_index();
    const Reply reply = (*this)(std::move(request));
    EXPECT_TRUE(sum == hash_without_index()) << "a refusal changed something";
    const auto* failure = std::get_if<Failure>(&reply.response);
    return failure == nullptr ? "none" : std::to_string(failure->code) + ' ' + failure->message;
  }
  StateHash hash_without_index() { return {store.record_bytes(), static_cast<std::uint64_t>(store.revision())}; }
  RangeReply range(Range range) { return std::get<RangeReply>(store.range(range)); }
};

Put conditional(std::string key) { return {.key = std::move(key), .ignore_value = true}; }
const std::string end(1, '\0');

TEST(Store, IsBornAtRevisionOneAndCountsChangingEntriesOnly) {
  Machine m;
  EXPECT_EQ(m.store.revision(), 1);
  EXPECT_EQ(m.put("a").revision, 2);
  EXPECT_EQ(m(DeleteRange{.key = "nothing"}).revision, 2);
  EXPECT_EQ(m(LeaseGrant{.id = LeaseId{7}, .ttl = 5}).revision, 2);
  EXPECT_EQ(m(Txn{}).revision, 2);
  EXPECT_EQ(m(Txn{.success = {{Put{.key = "x"}}, {Put{.key = "y"}}}}).revision, 3);
  m.store.skip(m.store.applied() + 1);
  EXPECT_EQ(m.store.revision(), 3);
}

TEST(Store, CreateModAndVersionFollowTheKeysLife) {
  Machine m;
  m.put("k", "1");
  m.put("k", "2");
  const KeyValue two{.key = "k", .value = "2", .create_revision = 2, .mod_revision = 3, .version = 2};
  EXPECT_EQ(m.range({.key = "k"}).kvs, std::vector{two});
  m(DeleteRange{.key = "k"});
  m.put("k", "3");
  const KeyValue three{.key = "k", .value = "3", .create_revision = 5, .mod_revision = 5, .version = 1};
  EXPECT_EQ(m.range({.key = "k"}).kvs, std::vector{three});
  EXPECT_EQ(m.range({.key = "k", .revision = 3}).kvs, std::vector{two});
  EXPECT_EQ(m.range({.key = "k", .revision = 4}).kvs.size(), 0U);
}

TEST(Store, RefusesAsEtcdDoes) {
  Machine m;
  m.put("c");
  EXPECT_EQ(m.refusal(Put{}), "3 etcdserver: key is not provided");
  EXPECT_EQ(m.refusal(DeleteRange{}), "3 etcdserver: key is not provided");
  EXPECT_EQ(m.refusal(Put{.key = "c", .value = "v", .ignore_value = true}), "3 etcdserver: value is provided");
  EXPECT_EQ(m.refusal(Put{.key = "c", .lease = LeaseId{5}, .ignore_lease = true}), "3 etcdserver: lease is provided");
  EXPECT_EQ(m.refusal(conditional("zz")), "3 etcdserver: key not found");
  EXPECT_EQ(m.refusal(Put{.key = "c", .lease = LeaseId{99}}), "5 etcdserver: requested lease not found");
  EXPECT_EQ(m.refusal(LeaseRevoke{LeaseId{99}}), "5 etcdserver: requested lease not found");
  EXPECT_EQ(m.refusal(LeaseGrant{LeaseId{7}, lease_ttl_max + 1}), "11 etcdserver: too large lease TTL");
  m(LeaseGrant{LeaseId{7}, 60});
  EXPECT_EQ(m.refusal(LeaseGrant{LeaseId{7}, 60}), "9 etcdserver: lease already exists");
  EXPECT_EQ(m.refusal(Compaction{-1}), "11 etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(m.refusal(Compaction{0}), "none");
  EXPECT_EQ(m.refusal(Compaction{0}), "11 etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(m.refusal(Compaction{9}), "11 etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(std::get<Failure>(m.store.range({.key = "c", .revision = 9})), errors::future_revision());
  EXPECT_EQ(std::get<Failure>(m.store.range({})), errors::key_not_provided());
}

TEST(Store, ATransactionHappensWholeOrNotAtAll) {
  Machine m;
  m.put("a");
  const auto txn = [](std::vector<Operation> operations) { return Txn{.success = std::move(operations)}; };
  EXPECT_EQ(m.refusal(txn({{Put{.key = "a"}}, {Put{.key = "b", .lease = LeaseId{9}}}})),
            "5 etcdserver: requested lease not found");
  EXPECT_EQ(m.refusal(txn({{Put{.key = "xx"}}, {conditional("yy")}})), "3 etcdserver: key not found");
  EXPECT_EQ(m.refusal(txn({{Put{.key = "a"}}, {Range{.key = "a", .revision = 999}}})),
            "11 etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(m.refusal(txn({{Put{.key = "a"}}, {Put{.key = "a"}}})), "3 etcdserver: duplicate key given in txn request");
  EXPECT_EQ(m.refusal(txn({{Put{.key = "a"}}, {DeleteRange{.key = "a"}}})),
            "3 etcdserver: duplicate key given in txn request");
  EXPECT_EQ(m.refusal(Txn{.compares = {Compare{}}}), "3 etcdserver: key is not provided");
}

// Each accepted or refused by etcd 3.4.23 in just this way.
TEST(Store, AKeyTwiceInATransactionIsRefusedWhereEtcdRefusesIt) {
  const auto nested = [](std::vector<Operation> success, std::vector<Operation> failure = {}) {
    return Operation{Txn{.success = std::move(success), .failure = std::move(failure)}};
  };
  const auto refused = [](std::vector<Operation> operations) {
    return check(Command{.request = Txn{.success = std::move(operations)}}).has_value();
  };
  const Operation put{Put{.key = "k"}};
  const Operation del{DeleteRange{.key = "k"}};
  EXPECT_FALSE(refused({del, del}));
  EXPECT_FALSE(refused({{DeleteRange{.key = "a", .range_end = end}}, put}));
  EXPECT_TRUE(refused({{DeleteRange{.key = "a", .range_end = "z"}}, put}));
  EXPECT_FALSE(refused({{DeleteRange{.key = "l", .range_end = "z"}}, put}));
  EXPECT_FALSE(refused({nested({put}), nested({del})}));
  EXPECT_TRUE(refused({nested({del}), nested({put})}));
  EXPECT_TRUE(refused({nested({put}), nested({put})}));
  EXPECT_FALSE(refused({nested({put}, {put})}));
  EXPECT_TRUE(refused({nested({put}), put}));
}

TEST(Store, ATransactionHoldsAHundredAndTwentyEightOperationsOverAllLevels) {
  const auto puts = [](int n) {
    std::vector<Operation> operations;
    for (int i = 0; i < n; ++i) operations.push_back({Put{.key = 'k' + std::to_string(i)}});
    return operations;
  };
  const auto refused = [](std::vector<Operation> operations) {
    return check(Command{.request = Txn{.success = std::move(operations)}}) == errors::too_many_operations();
  };
  EXPECT_FALSE(refused(puts(128)));
  EXPECT_TRUE(refused(puts(129)));
  EXPECT_FALSE(refused({{Txn{.success = puts(127)}}}));
  EXPECT_TRUE(refused({{Txn{.success = puts(128)}}}));
}

TEST(Store, ComparesOfNestedTransactionsSeeTheStateBefore) {
  Machine m;
  const Compare absent{.key = "m", .target = Compare::Target::version, .number = 0};
  const Reply reply = m(
      Txn{.success = {{Put{.key = "m", .value = "1"}}, {Txn{.compares = {absent}, .success = {{Range{.key = "m"}}}}}}});
  const auto& responses = std::get<TxnReply>(reply.response).responses;
  EXPECT_EQ(responses[0].revision, 2);
  EXPECT_EQ(responses[1].revision, 0);
  const auto& inner = std::get<TxnReply>(responses[1].response);
  ASSERT_TRUE(inner.succeeded);
  EXPECT_EQ(std::get<RangeReply>(inner.responses[0].response).kvs.at(0).value, "1")
      << "but ranges see what was written";
}

TEST(Store, AnAbsentKeyComparesAsZeroAndHasNoValue) {
  Machine m;
  const auto holds = [&](Compare compare) {
    return std::get<TxnReply>(m(Txn{.compares = {std::move(compare)}}).response).succeeded;
  };
  for (const auto target :
       {Compare::Target::create, Compare::Target::mod, Compare::Target::version, Compare::Target::lease}) {
    EXPECT_TRUE(holds({.key = "no", .target = target}));
    EXPECT_TRUE(holds({.key = "no", .range_end = "np", .target = target}));
  }
  for (const auto result :
       {Compare::Result::equal, Compare::Result::not_equal, Compare::Result::less, Compare::Result::greater}) {
    EXPECT_FALSE(holds({.key = "no", .target = Compare::Target::value, .result = result, .value = ""}));
  }
}

TEST(Store, CompactionKeepsWhatCanBeAskedFromItsRevisionOn) {
  Machine m;
  m.put("k", "2");
  m.put("k", "3");
  m.put("dead", "4");
  m(DeleteRange{.key = "dead"});  // 5
  m.put("gone", "6");
  m(DeleteRange{.key = "gone"});  // 7
  m.put("k", "8");
  EXPECT_EQ(std::get<CompactionReply>(m(Compaction{7}).response), CompactionReply{});
  EXPECT_EQ(m.range({.key = "k", .revision = 7}).kvs.at(0).value, "3");
  EXPECT_EQ(std::get<Failure>(m.store.range({.key = "k", .revision = 6})), errors::compacted());
  EXPECT_EQ(m.store.record_count(), 3U) << "k@3, k@8 and the tombstone at the compact revision itself";
  const WatchPage page = m.store.watch({.key = "a", .range_end = end, .start_revision = 7});
  ASSERT_EQ(page.batches.size(), 2U);
  EXPECT_TRUE(page.batches[0].events.at(0).deleted);
  EXPECT_EQ(m.store.watch({.key = "a", .range_end = end, .start_revision = 6}).compacted, 7);
  m(Compaction{8});
  EXPECT_EQ(m.store.record_count(), 1U);
}

TEST(Store, ALargeCompactionIsSweptInBoundedSteps) {
  Machine m;
  constexpr std::uint64_t puts = 30'000;
  for (std::uint64_t i = 0; i < puts; ++i) m.put("k" + std::to_string(i % 10));
  m(Compaction{m.store.revision()});
  const std::uint64_t left = m.store.record_count();
  EXPECT_GT(left, 10U);
  EXPECT_LT(left, puts);
  EXPECT_EQ(std::get<Failure>(m.store.range({.key = "k1", .revision = 5})), errors::compacted());
  m.put("other");
  EXPECT_GE(m.store.record_count() + 8, left);
  for (int i = 0; m.store.record_count() > 11 && i < 10'000; ++i) m(LeaseKeepalive{LeaseId{1}});
  EXPECT_EQ(m.store.record_count(), 11U);
}

// Whatever of the sweep is still to be done, answers are those of a store that has done it.
TEST(Store, AnEventAtTheCompactRevisionHasNoPredecessorSweptOrNot) {
  Machine m;
  for (int i = 0; i < 15'000; ++i) m.put("k" + std::to_string(i % 2));
  m(Compaction{m.store.revision()});
  ASSERT_GT(m.store.record_count(), 3U);
  const WatchPage page = m.store.watch({.key = "k1", .start_revision = m.store.revision(), .prev_kv = true});
  EXPECT_FALSE(page.batches.at(0).events.at(0).prev_kv.has_value());
}

TEST(Store, WatchGivesWholeRevisionsOnceAndInOrder) {
  Machine m;
  m(Txn{.success = {{Put{.key = "b"}}, {Put{.key = "a"}}}});
  m.put("z");
  m(DeleteRange{.key = "a", .range_end = "c"});
  Watch watch{.key = "a", .range_end = "c", .start_revision = 1, .prev_kv = true, .records_max = 1};
  std::vector<std::string> seen;
  for (int i = 0; i < 10 && watch.start_revision <= m.store.revision(); ++i) {
    const WatchPage page = m.store.watch(watch);
    for (const auto& batch : page.batches) {
      std::string line = std::to_string(batch.revision);
      for (const WatchEvent& event : batch.events) {
        line += (event.deleted ? " -" : " +") + event.kv.key + (event.prev_kv ? "!" : "");
      }
      seen.push_back(std::move(line));
    }
    watch.start_revision = page.next;
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"2 +b +a", "4 -a! -b!"}));
}

TEST(Store, AWatchFromTheFutureWaitsForIt) {
  Machine m;
  EXPECT_EQ(m.store.watch({.key = "a", .start_revision = 50}).next, 50);
}

TEST(Store, ALeaseTakesItsKeysAlongInOneRevision) {
  Machine m;
  EXPECT_EQ(std::get<LeaseReply>(m(LeaseGrant{LeaseId{7}, -5}).response).ttl, lease_ttl_min);
  m(Put{.key = "b", .lease = LeaseId{7}});
  m(Put{.key = "a", .lease = LeaseId{7}});
  m(Put{.key = "moved", .lease = LeaseId{7}});
  m.put("moved");
  EXPECT_EQ(m.store.lease_keys(LeaseId{7}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(m(LeaseRevoke{LeaseId{7}}).revision, 6 + 0);
  EXPECT_EQ(m.range({.key = "a", .range_end = end}).count, 1);
  EXPECT_TRUE(m.store.leases().empty());
}

TEST(Store, AnExpiryThatARenewalOvertookIsIgnored) {
  Machine m;
  const auto granted = std::get<LeaseReply>(m(LeaseGrant{LeaseId{7}, 10}).response);
  const auto renewed = std::get<LeaseReply>(m(LeaseKeepalive{LeaseId{7}}).response);
  EXPECT_GT(renewed.renewal, granted.renewal);
  EXPECT_EQ(std::get<LeaseReply>(m(LeaseExpire{LeaseId{7}, granted.renewal}).response).ttl, 10);
  EXPECT_TRUE(m.store.lease(LeaseId{7}).has_value());
  EXPECT_EQ(std::get<LeaseReply>(m(LeaseExpire{LeaseId{7}, renewed.renewal}).response).ttl, 0);
  EXPECT_FALSE(m.store.lease(LeaseId{7}).has_value());
  EXPECT_EQ(std::get<LeaseReply>(m(LeaseKeepalive{LeaseId{7}}).response).ttl, 0);
}

TEST(Store, ALeaseWithoutANameGetsOneThatReplicasAgreeOn) {
  Machine a;
  Machine b;
  const auto id = std::get<LeaseReply>(a(LeaseGrant{.ttl = 5}).response).id;
  EXPECT_EQ(std::get<LeaseReply>(b(LeaseGrant{.ttl = 5}).response).id, id);
  EXPECT_GT(static_cast<std::int64_t>(id), 0);
  EXPECT_NE(std::get<LeaseReply>(a(LeaseGrant{.ttl = 5}).response).id, id);
}

TEST(Store, ARepeatedSequenceGetsTheStoredReplyAndIsNotAppliedAgain) {
  Machine m;
  const auto session = std::get<SessionReply>(m(SessionOpen{}).response);
  const Reply first = m.in_session(session, 1, Put{.key = "k", .value = "1", .prev_kv = true});
  m.put("k", "2");
  EXPECT_EQ(m.in_session(session, 1, Put{.key = "k", .value = "1", .prev_kv = true}), first);
  EXPECT_EQ(m.range({.key = "k"}).kvs.at(0).value, "2");
  m.in_session(session, 3, Put{.key = "k", .value = "3"});
  EXPECT_EQ(std::get<Failure>(m.in_session(session, 1, Put{.key = "k"}).response), errors::session_sequence_old());
  EXPECT_EQ(std::get<Failure>(m.in_session(session, 0, Put{.key = "k"}).response), errors::session_sequence_old());
  const Session known = m.store.sessions().at(0);
  EXPECT_EQ(known.sequence, 3U);
  m(SessionExpire{session.id, known.last_used - 1});
  EXPECT_EQ(m.store.sessions().size(), 1U);
  m(SessionExpire{session.id, known.last_used});
  EXPECT_EQ(std::get<Failure>(m.in_session(session, 4, Put{.key = "k"}).response), errors::session_unknown());
  EXPECT_EQ(m.range({.key = "k"}).kvs.at(0).value, "3");
}

TEST(Store, ASessionMayEndItselfWithItsOwnCommand) {
  Machine m;
  const auto session = std::get<SessionReply>(m(SessionOpen{}).response);
  const std::uint64_t used = m.store.sessions().at(0).last_used;
  EXPECT_FALSE(std::get<SessionReply>(m.in_session(session, 1, SessionExpire{session.id, used}).response).open);
  EXPECT_TRUE(m.store.sessions().empty());
  Store fresh;
  fresh.skip(LogIndex{1});
  fresh.skip(LogIndex{2});
  EXPECT_EQ(m.store.hash(), fresh.hash()) << "it leaves no trace";
}

TEST(Lock, WaitersFollowTheOrderInWhichTheirKeysWereCreated) {
  Machine m;
  std::vector<Ticket> tickets;
  for (const auto id : {LeaseId{777}, LeaseId{-8}, LeaseId{5}}) {
    m(LeaseGrant{id, 60});
    tickets.push_back(*read_ticket("mylock", id, m.store.apply(m.store.applied() + 1, lock_command("mylock", id))));
  }
  EXPECT_EQ(tickets[0].key, "mylock/309");
  EXPECT_EQ(tickets[1].key, "mylock/-8");
  const auto states = [&] {
    std::vector<LockState> all;
    for (const Ticket& ticket : tickets) all.push_back(lock_state(m.store, ticket));
    return all;
  };
  using enum LockState;
  EXPECT_EQ(states(), (std::vector{held, waiting, waiting}));
  const Reply again = m.store.apply(m.store.applied() + 1, lock_command("mylock", LeaseId{777}));
  EXPECT_EQ(read_ticket("mylock", LeaseId{777}, again), tickets[0]) << "re-entrant, with the same token";
  m(LeaseRevoke{LeaseId{-8}});
  EXPECT_EQ(states(), (std::vector{held, gone, waiting}));
  m(DeleteRange{.key = tickets[0].key});
  EXPECT_EQ(states(), (std::vector{gone, gone, held}));
  m(DeleteRange{.key = tickets[2].key});
  m.store.apply(m.store.applied() + 1, lock_command("mylock", LeaseId{5}));
  EXPECT_EQ(lock_state(m.store, tickets[2]), gone) << "the key is back, but not this waiter's";
}

TEST(Lock, WithoutItsLeaseThereIsNoTicket) {
  Machine m;
  const Reply reply = m.store.apply(LogIndex{1}, lock_command("l", LeaseId{99}));
  EXPECT_EQ(std::get<Failure>(reply.response), errors::lease_not_found());
  EXPECT_FALSE(read_ticket("l", LeaseId{99}, reply).has_value());
}

}  // namespace
}  // namespace faultline::raft::kv
