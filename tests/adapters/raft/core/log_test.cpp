// Log: what is durable, and what survives a start.

#include <faultline/raft/log.hpp>

#include <gtest/gtest.h>

namespace faultline::raft::test {
namespace {

Entry entry(std::uint64_t index, std::uint64_t term) { return {Term{term}, LogIndex{index}, EntryKind::no_op, {}}; }

// The same (index, term) may be written, cut and written again while the first write is still under way.
TEST(Log, AWriteThatALaterOneCutsProvesNothing) {
  Log log({}, {}, {});
  log.merge({entry(1, 1)});
  log.emit(1);
  log.merge({entry(1, 2)});
  log.emit(2);
  log.persisted(1);
  EXPECT_EQ(log.stable(), LogIndex{0});
  log.persisted(2);
  EXPECT_EQ(log.stable(), LogIndex{1});
}

TEST(Log, ASnapshotWithAnotherLastTermReplacesTheEntriesOfTheDisk) {
  const Snapshot snapshot{.index = LogIndex{2}, .term = Term{3}};
  EXPECT_EQ(Log(snapshot, {entry(1, 1), entry(2, 1), entry(3, 1)}, {}).last(), LogIndex{2});
  EXPECT_EQ(Log(snapshot, {entry(1, 1), entry(2, 3), entry(3, 3)}, {}).last(), LogIndex{3});
}

TEST(Log, CompactionKeepsATail) {
  Log log({}, {entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)}, LogIndex{4});
  log.hand_out(UINT64_MAX);
  log.compact({.index = LogIndex{4}, .term = Term{1}}, 2);
  EXPECT_EQ(log.first(), LogIndex{3});
  EXPECT_EQ(log.term_at(LogIndex{2}), Term{1});
  EXPECT_EQ(log.term_at(LogIndex{1}), std::nullopt);
}

}  // namespace
}  // namespace faultline::raft::test
