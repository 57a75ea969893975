#include <faultline/raft/codec.hpp>
#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/keeper.hpp>
#include <faultline/raft/kv/codec.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace faultline::raft {
namespace {

// A node's data directory, removed at the end.
class KeeperTest : public testing::Test {
 protected:
  KeeperTest()
      : path_(std::filesystem::temp_directory_path() /
              ("faultline-keeper-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(path_);
    disk_ = storage::posix_disk(path_);
  }
  ~KeeperTest() override { std::filesystem::remove_all(path_); }

  Keeper::Opened open() {
    auto opened = Keeper::open(*disk_, options_);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(opened).value();
  }

  std::filesystem::path path_;
  std::unique_ptr<storage::Disk> disk_;
  KeeperOptions options_{.identity = {7, {1}}, .wal = {.segment_bytes = 4096, .sync = true}};
};

const Config config{.voters = {{{1}, {1}, "a"}, {{2}, {1}, "b"}}, .outgoing = {}, .learners = {}};

Entry put(std::uint64_t index, const std::string& value) {
  const kv::Command command{.client = {}, .request = kv::Put{.key = "key-" + std::to_string(index), .value = value}};
  return {.term = {1}, .index = {index}, .kind = EntryKind::command, .data = kv::encode(command)};
}

std::vector<Entry> puts(std::uint64_t low, std::uint64_t high) {
  std::vector<Entry> entries;
  for (std::uint64_t i = low; i <= high; ++i) entries.push_back(put(i, std::string(200, 'v')));
  return entries;
}

DiskJob job(std::uint64_t number, std::vector<Entry> entries, std::optional<HardState> state = std::nullopt) {
  return {.number = number,
          .chunks = {},
          .snapshot = {},
          .entries = std::move(entries),
          .hard_state = state,
          .must_sync = true};
}

kv::Store applied(const std::vector<Entry>& entries) {
  kv::Store store;
  for (const Entry& entry : entries) store.apply(entry.index, entry.data);
  return store;
}

Snapshot label(std::uint64_t index) { return {.index = {index}, .term = {1}, .config = config}; }

TEST_F(KeeperTest, WhatTheJobsStoredIsThereAgain) {
  const auto entries = puts(1, 30);
  const HardState state{{1}, {2}, {20}};
  {
    auto opened = open();
    EXPECT_TRUE(opened.restored.stored.entries.empty());
    EXPECT_FALSE(opened.restored.stored.snapshot);
    const DiskJob jobs[] = {job(1, {entries.begin(), entries.begin() + 10}, HardState{{1}, {2}, {0}}),
                            job(2, {entries.begin() + 10, entries.end()}, state)};
    auto done = opened.keeper->run(jobs);
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done.value().number, 2U);
    EXPECT_TRUE(done.value().has_space);
    EXPECT_FALSE(done.value().installed);
  }
  auto again = open();
  EXPECT_EQ(again.restored.stored.entries, entries);
  EXPECT_EQ(again.restored.stored.hard_state, state);
  EXPECT_FALSE(again.restored.torn);
}

TEST_F(KeeperTest, SeveralJobsHaveOneSync) {
  options_.wal.segment_bytes = 1 << 20;
  auto opened = open();
  const std::uint64_t syncs = opened.keeper->wal().syncs();
  const DiskJob jobs[] = {job(1, puts(1, 5)), job(2, puts(6, 9)), job(3, {}, HardState{{1}, {}, {3}})};
  ASSERT_TRUE(opened.keeper->run(jobs));
  EXPECT_EQ(opened.keeper->wal().syncs(), syncs + 1);
}

TEST_F(KeeperTest, AnExportedSnapshotReplacesTheLogBelowIt) {
  const auto entries = puts(1, 60);
  kv::Store store = applied({entries.begin(), entries.begin() + 50});
  const auto hash = store.hash();
  std::uint64_t segments = 0;
  {
    auto opened = open();
    ASSERT_TRUE(opened.keeper->run(std::vector{job(1, entries, HardState{{1}, {}, {50}})}));
    for (std::uint64_t i = 1; i <= 5; ++i) {
      ASSERT_TRUE(opened.keeper->run(std::vector{job(1 + i, puts(60 + i * 10 - 9, 60 + i * 10))}));
    }
    segments = opened.keeper->wal().segments();
    SnapshotFiles files(*disk_, options_);
    auto written = files.write({label(50), store.view()});
    ASSERT_TRUE(written) << written.error().to_string();
    ASSERT_TRUE(written.value());
    ASSERT_TRUE(opened.keeper->mark(*written.value()));
    ASSERT_TRUE(opened.keeper->retire(*written.value()));
    SnapshotChunk chunk{.snapshot = *written.value(), .offset = 3, .length = 10};
    auto filled = files.fill(chunk);
    ASSERT_TRUE(filled);
    EXPECT_TRUE(filled.value());
    EXPECT_EQ(chunk.bytes.size(), 10U);
    EXPECT_EQ(chunk.crc, crc32c(chunk.bytes));
    SnapshotChunk gone{.snapshot = label(3), .offset = 0, .length = 10};
    EXPECT_FALSE(files.fill(gone).value());
  }
  auto again = open();
  ASSERT_TRUE(again.restored.stored.snapshot);
  EXPECT_EQ(again.restored.stored.snapshot->index, LogIndex{50});
  EXPECT_EQ(again.restored.stored.snapshot->config, config);
  EXPECT_EQ(again.restored.store.hash(), hash);
  EXPECT_EQ(again.restored.stored.entries.back(), put(110, std::string(200, 'v')));
  EXPECT_LE(again.restored.stored.entries.front().index, LogIndex{50});
  EXPECT_LT(again.keeper->wal().segments(), segments);
}

TEST_F(KeeperTest, ASnapshotFromTheLeaderIsInstalledFromItsChunks) {
  kv::Store store = applied(puts(1, 2000));
  const auto hash = store.hash();
  kv::Exporter exporter(store.view());
  const std::string bytes = exporter.next(1 << 30);
  Snapshot snapshot = label(2000);
  snapshot.size = bytes.size();
  snapshot.checksum = crc32c(bytes);
  constexpr std::uint64_t piece = storage::snapshot_chunk_bytes;
  ASSERT_GT(bytes.size(), piece);
  const auto chunk = [&](std::uint64_t offset) {
    DiskJob with_chunk;
    const std::string part = bytes.substr(offset, piece);
    with_chunk.chunks = {
        {.snapshot = snapshot, .offset = offset, .length = part.size(), .bytes = part, .crc = crc32c(part)}};
    return with_chunk;
  };
  {
    auto opened = open();
    ASSERT_TRUE(opened.keeper->run(std::vector{job(1, puts(1, 5), HardState{{1}, {}, {5}})}));
    ASSERT_TRUE(opened.keeper->run(std::vector{chunk(0)}));
  }
  {
    auto opened = open();  // the part survives the restart; the leader begins anew
    EXPECT_FALSE(opened.restored.stored.snapshot);
    for (std::uint64_t at = 0; at < bytes.size(); at += piece) ASSERT_TRUE(opened.keeper->run(std::vector{chunk(at)}));
    DiskJob install = job(9, {put(2001, "next")}, HardState{{1}, {}, {2000}});
    install.snapshot = snapshot;
    auto done = opened.keeper->run(std::vector{install});
    ASSERT_TRUE(done) << done.error().to_string();
    ASSERT_TRUE(done.value().installed);
    EXPECT_EQ(done.value().installed->hash(), hash);
    ASSERT_TRUE(opened.keeper->retire(snapshot));
  }
  auto again = open();
  EXPECT_EQ(again.restored.stored.snapshot, snapshot);
  EXPECT_EQ(again.restored.store.hash(), hash);
  EXPECT_EQ(again.restored.stored.entries, std::vector<Entry>{put(2001, "next")});
}

}  // namespace
}  // namespace faultline::raft
