// Watch sessions and read-only transactions over a random store, against what the store itself says.
#include "one_member.hpp"

#include <nlohmann/json.hpp>

#include <faultline/rng.hpp>

#include <sstream>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

using nlohmann::json;

std::string random_key(Rng& rng) { return std::string(1, static_cast<char>('a' + rng.below(5))); }

kv::Command random_write(Rng& rng) {
  const std::string key = random_key(rng);
  if (rng.chance(0.3)) return {.request = kv::DeleteRange{.key = key, .range_end = rng.chance(0.3) ? "z" : ""}};
  if (rng.chance(0.3)) {
    kv::Txn txn;
    for (char c = 'a'; c < 'f'; ++c) {
      if (rng.chance(0.5)) txn.success.push_back({kv::Put{.key = std::string(1, c), .value = "t"}});
    }
    return {.request = txn};
  }
  return {.request = kv::Put{.key = key, .value = std::to_string(rng.below(10))}};
}

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line)["result"]);
  return lines;
}

std::int64_t number(const json& value) { return std::stoll(value.get<std::string>()); }

// Every (revision, key) once, in order, whole revisions per message, whenever the session was polled and however little at a time.
TEST(WatchSession, RandomPollsShowEveryEventOnceInOrderInWholeRevisions) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    OneMember member;
    for (int i = 0; i < 20; ++i) member.apply(random_write(rng));
    WatchSession session;
    const kv::Revision from = rng.between(1, 25);
    const std::string at_once = session.start(member.header(), member.store(),
                                              {WatchCreate{.key = "a", .range_end = "z", .start_revision = from}});
    ASSERT_TRUE(lines_of(at_once)[0]["created"]);
    std::vector<std::pair<std::int64_t, std::string>> seen;
    std::int64_t last = 0;
    for (int i = 0; i < 60; ++i) {
      if (i < 40) member.apply(random_write(rng));
      if (i < 40 && rng.chance(0.5)) continue;
      for (const json& line : lines_of(session.poll(member.header(), member.store(), rng.chance(0.5) ? 1 : 1 << 20))) {
        ASSERT_GT(number(line["events"][0]["kv"]["mod_revision"]), last) << "a revision was split";
        for (const json& event : line["events"]) {
          last = number(event["kv"]["mod_revision"]);
          seen.emplace_back(last, event["kv"]["key"]);
        }
        ASSERT_GE(number(line["header"]["revision"]), last);
      }
    }
    const kv::WatchPage all = member.store().watch({.key = "a", .range_end = "z", .start_revision = from});
    std::size_t count = 0;
    for (const auto& batch : all.batches) count += batch.events.size();
    ASSERT_EQ(seen.size(), count) << "seed " << seed;
    ASSERT_TRUE(
        std::is_sorted(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.first < b.first; }));
  }
}

TEST(WatchSession, AWatcherThatIsUpToDateGetsAMessagePerRevision) {
  OneMember member;
  WatchSession session;
  session.start(member.header(), member.store(), {WatchCreate{.key = "a"}});
  for (int i = 0; i < 3; ++i) member.apply({.request = kv::Put{.key = "a"}});
  const auto lines = lines_of(session.poll(member.header(), member.store(), 1 << 20));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["header"]["revision"], "2");
  EXPECT_TRUE(session.poll(member.header(), member.store(), 1 << 20).empty());
}

TEST(WatchSession, CompactionEndsOnlyTheWatcherThatLagsBehindIt) {
  OneMember member;
  for (int i = 0; i < 5; ++i) member.apply({.request = kv::Put{.key = "a"}});
  WatchSession session;
  session.start(member.header(), member.store(),
                {WatchCreate{.key = "a", .start_revision = 2}, WatchCreate{.key = "a", .start_revision = 5}});
  member.apply({.request = kv::Compaction{4}});
  const auto lines = lines_of(session.poll(member.header(), member.store(), 1 << 20));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["compact_revision"], "4");
  EXPECT_FALSE(lines[0]["header"].contains("revision"));
  EXPECT_EQ(lines[1]["watch_id"], "1");
  EXPECT_EQ(session.watchers(), 1U);
}

kv::Compare random_compare(Rng& rng) {
  kv::Compare compare;
  compare.key = random_key(rng);
  if (rng.chance(0.3)) compare.range_end = rng.chance(0.5) ? "z" : std::string(1, '\0');
  compare.target = static_cast<kv::Compare::Target>(rng.below(5));
  compare.result = static_cast<kv::Compare::Result>(rng.below(4));
  compare.number = rng.between(0, 12);
  compare.value = std::to_string(rng.below(10));
  return compare;
}

TEST(ReadTxn, RandomReadsAreWhatTheLogWouldAnswer) {
  Rng rng(7);
  int succeeded = 0;
  for (int i = 0; i < 4000; ++i) {
    OneMember member;
    for (std::uint64_t n = rng.below(12); n > 0; --n) member.apply(random_write(rng));
    kv::Txn txn;
    for (std::uint64_t n = rng.below(3); n > 0; --n) txn.compares.push_back(random_compare(rng));
    for (auto* branch : {&txn.success, &txn.failure}) {
      for (std::uint64_t n = rng.below(3); n > 0; --n) {
        branch->push_back({kv::Range{.key = random_key(rng),
                                     .range_end = rng.chance(0.5) ? "z" : "",
                                     .limit = rng.between(0, 2),
                                     .revision = rng.between(0, 8)}});
      }
    }
    const auto read = read_txn(member.store(), txn);
    const kv::Reply applied = member.apply({.request = txn});
    if (const auto* failure = std::get_if<kv::Failure>(&read)) {
      ASSERT_EQ(std::get<kv::Failure>(applied.response), *failure);
    } else {
      ASSERT_EQ(std::get<kv::TxnReply>(applied.response), std::get<kv::TxnReply>(read));
      succeeded += std::get<kv::TxnReply>(read).succeeded ? 1 : 0;
    }
  }
  EXPECT_GT(succeeded, 500);
}

}  // namespace
}  // namespace faultline::raft::gateway
