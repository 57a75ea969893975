// A small log, spoilt in every place.
#include <faultline/raft/storage/dump.hpp>
#include <faultline/raft/storage/wal.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "memory_disk.hpp"

namespace faultline::raft::storage {
namespace {

constexpr Identity identity{7, {1}};
constexpr WalOptions small{.segment_bytes = 1024, .sync = true};
const std::string file = "wal/0000000000000001-0000000000000001.wal";

Entry entry(std::uint64_t index, std::uint64_t term, std::string data) {
  return {.term = {term}, .index = {index}, .kind = EntryKind::command, .data = std::move(data)};
}

struct Sample {
  MemoryDisk disk;
  std::vector<Entry> entries;
  std::uint64_t synced = 0;  // the offset up to which the last batch knows all is synced
  std::uint64_t end = 0;

  Sample() {
    auto opened = Wal::open(disk, "wal", identity, small);
    Wal& wal = *opened.value().wal;
    entries = {entry(1, 1, "first"), entry(2, 1, "second"), entry(3, 2, "third, longer than a word")};
    const auto add = [&](const Batch& batch) { EXPECT_TRUE(wal.append(batch)); };
    add({.entries = {entries[0]}, .hard_state = HardState{{1}, {2}, {0}}, .mark = {}});
    add({.entries = {entries[1]}, .hard_state = {}, .mark = Mark{{1}, {1}}});
    synced = wal.bytes_written();
    add({.entries = {entries[2]}, .hard_state = HardState{{2}, {}, {2}, {7}}, .mark = {}});
    end = wal.bytes_written();
  }
};

std::string dumped(MemoryDisk& disk, const std::string& path, std::uint64_t errors) {
  std::string text;
  auto done =
      dump(disk, path, {.line = [&](std::string_view line) { text += std::string(line) + "\n"; }, .describe = {}});
  EXPECT_TRUE(done);
  EXPECT_EQ(done.value(), errors);
  return text;
}

TEST(WalRecovery, AnyFlippedBitBelowWhatIsSyncedIsRefusedAndAboveItCut) {
  const Sample sample;
  for (std::uint64_t at = 0; at < 1024; ++at) {
    for (const int bit : {0, 3, 7}) {
      SCOPED_TRACE(fmt::format("byte {} bit {}", at, bit));
      const auto disk = sample.disk.copy();
      std::string& bytes = disk->bytes(file);
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      const std::string spoilt = bytes;
      auto opened = Wal::open(*disk, "wal", identity, small);
      if (at < sample.synced) {
        ASSERT_FALSE(opened);
        const std::string text = opened.error().to_string();
        for (const char* part : {file.c_str(), "byte ", "crc ", "stored", "computed", "remove this node"}) {
          EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
        }
        EXPECT_EQ(disk->bytes(file), spoilt) << "a refused log is not touched";
        continue;
      }
      ASSERT_TRUE(opened) << opened.error().to_string();
      const Recovered& recovered = opened.value().recovered;
      ASSERT_TRUE(recovered.torn);
      EXPECT_EQ(recovered.torn->file, file);
      const std::uint64_t from = recovered.torn->offset;
      EXPECT_LE(from, at);
      EXPECT_GE(from, sample.synced);
      EXPECT_EQ(recovered.torn->copy, file + ".torn-1");
      const std::string& copy = disk->bytes(recovered.torn->copy);
      EXPECT_EQ(copy, spoilt.substr(from, copy.size()));
      EXPECT_EQ(spoilt.find_last_not_of('\0') + 1, from + copy.size());
      EXPECT_EQ(disk->bytes(file).find_last_not_of('\0') / 8, (from - 1) / 8);
      const std::size_t left = from == sample.synced ? 2U : 3U;
      EXPECT_EQ(recovered.entries, std::vector<Entry>(sample.entries.begin(), sample.entries.begin() + left));
      auto again = Wal::open(*disk, "wal", identity, small);
      ASSERT_TRUE(again);
      EXPECT_FALSE(again.value().recovered.torn);
      EXPECT_EQ(again.value().recovered.entries, recovered.entries);
    }
  }
}

TEST(WalRecovery, AFileCutShortIsRefused) {
  const Sample sample;
  for (std::uint64_t length = 0; length < 1024; ++length) {
    const auto disk = sample.disk.copy();
    disk->bytes(file).resize(length);
    auto opened = Wal::open(*disk, "wal", identity, small);
    ASSERT_FALSE(opened) << length;
    EXPECT_NE(opened.error().message.find(file), std::string::npos);
  }
}

TEST(WalRecovery, AMissingSegmentIsRefused) {
  MemoryDisk disk;
  {
    auto opened = Wal::open(disk, "wal", identity, small);
    for (std::uint64_t i = 1; i <= 60; ++i) {
      ASSERT_TRUE(
          opened.value().wal->append({.entries = {entry(i, 1, std::string(50, 'x'))}, .hard_state = {}, .mark = {}}));
    }
    ASSERT_GE(opened.value().wal->segments(), 4U);
  }
  const auto paths = disk.paths();
  for (std::size_t i = 0; i + 1 < paths.size(); ++i) {
    const auto spoilt = disk.copy();
    ASSERT_TRUE(spoilt->remove(paths[i]));
    auto opened = Wal::open(*spoilt, "wal", identity, small);
    ASSERT_FALSE(opened) << paths[i];
    EXPECT_NE(opened.error().message.find("missing"), std::string::npos) << opened.error().message;
  }
}

TEST(WalRecovery, AnotherNodesLogIsRefused) {
  const Sample sample;
  const auto disk = sample.disk.copy();
  EXPECT_FALSE(Wal::open(*disk, "wal", {8, {1}}, small));
  EXPECT_FALSE(Wal::open(*disk, "wal", {7, {2}}, small));
}

TEST(WalRecovery, HalfMadeSegmentsAreRemoved) {
  const Sample sample;
  const auto disk = sample.disk.copy();
  ASSERT_TRUE(disk->open("wal/spare.tmp", Disk::Open::create));
  ASSERT_TRUE(Wal::open(*disk, "wal", identity, small));
  EXPECT_EQ(disk->paths(), std::vector<std::string>{file});
}

TEST(Wal, ABatchIsOneWriteAndOneSync) {
  MemoryDisk disk;
  auto opened = Wal::open(disk, "wal", identity, {.segment_bytes = 1 << 16, .sync = true});
  Batch batch;
  for (std::uint64_t i = 1; i <= 64; ++i) batch.entries.push_back(entry(i, 1, std::string(100, 'x')));
  batch.hard_state = HardState{{1}, {}, {3}};
  const std::uint64_t calls = disk.calls();
  ASSERT_TRUE(opened.value().wal->append(batch));
  EXPECT_EQ(disk.calls(), calls + 2);
}

TEST(Wal, WithoutSpaceItSaysSoAndGoesOnWhenThereIsSome) {
  MemoryDisk disk;
  disk.set_space(2500);
  auto opened = Wal::open(disk, "wal", identity, small);
  Wal& wal = *opened.value().wal;
  ASSERT_TRUE(opened);
  bool warned = false;
  std::uint64_t next = 1;
  for (;; ++next) {
    auto appended = wal.append({.entries = {entry(next, 1, std::string(60, 'x'))}, .hard_state = {}, .mark = {}});
    ASSERT_TRUE(appended);
    if (appended.value() == Space::exhausted) break;
    auto reserved = wal.reserve();
    ASSERT_TRUE(reserved);
    warned = reserved.value() == Space::exhausted;
    ASSERT_LT(next, 100U);
  }
  EXPECT_TRUE(warned) << "reserve() says it before append() does";
  EXPECT_EQ(wal.last_index(), LogIndex{next - 1});
  disk.set_space(10000);
  auto reserved = wal.reserve();
  ASSERT_TRUE(reserved);
  EXPECT_EQ(reserved.value(), Space::granted);
  auto appended = wal.append({.entries = {entry(next, 1, "now")}, .hard_state = {}, .mark = {}});
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended.value(), Space::granted);
  auto again = Wal::open(disk, "wal", identity, small);
  ASSERT_TRUE(again);
  EXPECT_EQ(again.value().recovered.entries.size(), next);
}

TEST(Wal, TheFirstBytesOfALogAreThese) {
  Sample sample;
  std::string text;
  for (std::uint64_t at = 0; at < sample.end; ++at) {
    text += fmt::format("{:02x}{}", static_cast<unsigned char>(sample.disk.bytes(file)[at]), at % 32 == 31 ? "\n" : "");
  }
  EXPECT_EQ(text, R"(28000000010000000000000001000000000000001e5e8e810200000000040000
0700000000000000010000000000000001000000000000000100000000000000
1d0000000200000040000000010000001e5e8e81ba5816150100000000000000
0100000000000000010000000000000066697273740000002000000003000000
4000000001000000ba5816157a0d9db001000000000000000200000000000000
000000000000000000000000000000001000000004000000b000000001000000
7a0d9db00db674d4010000000000000001000000000000001e00000002000000
b0000000010000000db674d4a4994d5801000000000000000200000000000000
01000000000000007365636f6e64000031000000020000001001000001000000
a4994d58b08418ad020000000000000003000000000000000100000000000000
74686972642c206c6f6e676572207468616e206120776f726400000000000000
20000000030000001001000001000000b08418ad77e815480200000000000000
000000000000000002000000000000000700000000000000)");
}

TEST(WalDump, ShowsEveryRecordAndMarksWhatIsWrong) {
  Sample sample;
  EXPECT_EQ(
      dumped(sample.disk, file, 0),
      R"(00000000 crc 818e5e1e durable 1+00000000 segment 1 of cluster 0000000000000007, node 1: 1024 bytes, from entry 1
00000040 crc 151658ba durable 1+00000040 entry 1/1 command: 5 bytes: 66 69 72 73 74
00000078 crc b09d0d7a durable 1+00000040 hard state: term 1, vote 2, commit 0, stay 0
000000b0 crc d474b60d durable 1+000000b0 snapshot mark 1/1
000000d8 crc 584d99a4 durable 1+000000b0 entry 2/1 command: 6 bytes: 73 65 63 6f 6e 64
00000110 crc ad1884b0 durable 1+00000110 entry 3/2 command: 25 bytes: 74 68 69 72 64 2c 20 6c 6f 6e 67 65 72 20 74 68 ...
00000160 crc 4815e877 durable 1+00000110 hard state: term 2, vote 0, commit 2, stay 7
00000198 end of the log; 616 bytes free
)");
  sample.disk.bytes(file)[192] ^= 1;
  EXPECT_EQ(
      dumped(sample.disk, file, 1),
      R"(00000000 crc 818e5e1e durable 1+00000000 segment 1 of cluster 0000000000000007, node 1: 1024 bytes, from entry 1
00000040 crc 151658ba durable 1+00000040 entry 1/1 command: 5 bytes: 66 69 72 73 74
00000078 crc b09d0d7a durable 1+00000040 hard state: term 1, vote 2, commit 0, stay 0
000000b0 ERROR its checksum is wrong; crc d474b60d stored, e33741b0 computed
000000d8 crc 584d99a4 durable 1+000000b0 entry 2/1 command: 6 bytes: 73 65 63 6f 6e 64
00000110 crc ad1884b0 durable 1+00000110 entry 3/2 command: 25 bytes: 74 68 69 72 64 2c 20 6c 6f 6e 67 65 72 20 74 68 ...
00000160 crc 4815e877 durable 1+00000110 hard state: term 2, vote 0, commit 2, stay 7
00000198 end of the log; 616 bytes free
)");
}

}  // namespace
}  // namespace faultline::raft::storage
