#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/storage/dump.hpp>
#include <faultline/raft/storage/snapshots.hpp>

#include <gtest/gtest.h>

#include "memory_disk.hpp"

namespace faultline::raft::storage {
namespace {

constexpr Mark label{{9}, {2}};
const std::string whole = "snap/0000000000000009-0000000000000002.snap";

std::string state_bytes(std::uint64_t size) {
  Rng rng(size);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(rng.next() & 0xff);
  return bytes;
}

SnapshotPlace place_on(Disk& disk) { return {disk, "snap", {7, {1}}, true}; }
SnapshotInfo info_of(const std::string& state) { return {label, "config", state.size(), 0}; }

void write_whole(Disk& disk, const std::string& state) {
  auto writer = SnapshotWriter::open(place_on(disk), info_of(state));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer.value().add(std::string_view(state).substr(writer.value().wanted())));
  auto finished = writer.value().finish(crc32c(state));
  ASSERT_TRUE(finished) << finished.error().to_string();
}

void expect_whole(Disk& disk, const std::string& state) {
  auto reader = SnapshotReader::open(place_on(disk), label);
  ASSERT_TRUE(reader) << reader.error().to_string();
  EXPECT_EQ(reader.value().info(), (SnapshotInfo{label, "config", state.size(), crc32c(state)}));
  auto bytes = reader.value().read(0, state.size() + 1);
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  EXPECT_TRUE(bytes.value() == state);
  if (state.size() < 10) return;
  auto middle = reader.value().read(state.size() / 2, 7);
  ASSERT_TRUE(middle);
  EXPECT_EQ(middle.value(), state.substr(state.size() / 2, 7));
}

TEST(Crc32c, ByInstructionAndByTableAreTheSame) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c_by_table("123456789"), 0xe3069283U);
  const std::string bytes = state_bytes(300);
  for (std::size_t from = 0; from < 10; ++from) {
    for (std::size_t length = 0; length < 280; ++length) {
      const auto part = std::string_view(bytes).substr(from, length);
      ASSERT_EQ(crc32c(part, 77), crc32c_by_table(part, 77));
      ASSERT_EQ(crc32c(part), crc32c(part.substr(length / 3), crc32c(part.substr(0, length / 3))));
    }
  }
}

TEST(Snapshots, WhatWasWrittenIsReadBack) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, snapshot_chunk_bytes - 1, snapshot_chunk_bytes,
                                   snapshot_chunk_bytes + 1, 3 * snapshot_chunk_bytes + 77}) {
    SCOPED_TRACE(size);
    MemoryDisk disk;
    const std::string state = state_bytes(size);
    write_whole(disk, state);
    EXPECT_EQ(disk.paths(), std::vector<std::string>{whole});
    expect_whole(disk, state);
  }
}

TEST(Snapshots, APartIsTakenUpAfterEveryCut) {
  const std::string state = state_bytes(2 * snapshot_chunk_bytes + 1000);
  for (std::uint64_t k = 1;; ++k) {
    SCOPED_TRACE(k);
    MemoryDisk disk;
    disk.fail_at(k);
    const auto attempt = [&] {
      auto writer = SnapshotWriter::open(place_on(disk), info_of(state));
      return writer && writer.value().add(state) && writer.value().finish();
    };
    const bool untouched = attempt();
    EXPECT_EQ(untouched, !disk.failed());
    if (untouched) break;
    Rng rng(k);
    for (int image = 0; image < 3; ++image) {
      const auto after = disk.after_power_loss(rng);
      write_whole(*after, state);
      expect_whole(*after, state);
    }
    disk.revive();
    write_whole(disk, state);
    expect_whole(disk, state);
  }
}

TEST(Snapshots, WholeChunksAreNotAskedForAgain) {
  MemoryDisk disk;
  const std::string state = state_bytes(2 * snapshot_chunk_bytes + 1000);
  {
    auto writer = SnapshotWriter::open(place_on(disk), info_of(state));
    ASSERT_TRUE(writer.value().add(std::string_view(state).substr(0, snapshot_chunk_bytes + 5)));
    EXPECT_EQ(writer.value().wanted(), snapshot_chunk_bytes + 5);
  }
  EXPECT_EQ(SnapshotWriter::open(place_on(disk), info_of(state)).value().wanted(), snapshot_chunk_bytes);
  SnapshotInfo other = info_of(state);
  other.config = "another";
  EXPECT_EQ(SnapshotWriter::open(place_on(disk), other).value().wanted(), 0U);
}

TEST(Snapshots, TheWrongChecksumRemovesThePart) {
  MemoryDisk disk;
  auto writer = SnapshotWriter::open(place_on(disk), info_of("state"));
  ASSERT_TRUE(writer.value().add("state"));
  auto finished = writer.value().finish(1);
  ASSERT_FALSE(finished);
  EXPECT_NE(finished.error().message.find("00000001 announced"), std::string::npos) << finished.error().message;
  EXPECT_TRUE(disk.paths().empty());
}

TEST(Snapshots, WithoutSpaceThePartIsGone) {
  MemoryDisk disk;
  disk.set_space(snapshot_chunk_bytes + 1000);
  const std::string state = state_bytes(2 * snapshot_chunk_bytes);
  auto writer = SnapshotWriter::open(place_on(disk), info_of(state));
  auto added = writer.value().add(state);
  ASSERT_TRUE(added);
  EXPECT_EQ(added.value(), Space::exhausted);
  EXPECT_TRUE(disk.paths().empty());
}

TEST(Snapshots, AnyFlippedByteIsFound) {
  MemoryDisk good;
  const std::string state = state_bytes(500);
  write_whole(good, state);
  const std::uint64_t size = good.bytes(whole).size();
  for (std::uint64_t at = 0; at < size; ++at) {
    const auto disk = good.copy();
    disk->bytes(whole)[at] ^= 4;
    auto reader = SnapshotReader::open(place_on(*disk), label);
    if (reader) {
      auto bytes = reader.value().read(0, state.size());
      // The zeros beside the header's checksum say nothing.
      ASSERT_TRUE(!bytes || (bytes.value() == state && at >= 60 && at < 64)) << at;
    } else {
      EXPECT_NE(reader.error().message.find(whole), std::string::npos);
    }
  }
}

TEST(Snapshots, RetainKeepsTheMarkedOneAndPartsAboveIt) {
  MemoryDisk disk;
  const auto touch = [&](const char* name) { ASSERT_TRUE(disk.open(name, Disk::Open::create)); };
  touch("snap/0000000000000008-0000000000000002.snap");
  touch("snap/0000000000000008-0000000000000002.snap.part");
  touch("snap/000000000000000a-0000000000000002.snap");
  touch("snap/000000000000000b-0000000000000002.snap.part");
  touch("snap/else");
  write_whole(disk, "state");
  ASSERT_TRUE(retain(place_on(disk), label));
  EXPECT_EQ(disk.paths(), (std::vector<std::string>{whole, "snap/000000000000000a-0000000000000002.snap",
                                                    "snap/000000000000000b-0000000000000002.snap.part", "snap/else"}));
  ASSERT_TRUE(retain(place_on(disk), label, true));
  EXPECT_EQ(disk.paths(),
            (std::vector<std::string>{whole, "snap/000000000000000b-0000000000000002.snap.part", "snap/else"}));
}

TEST(SnapshotDump, MarksTheSpoiltChunk) {
  MemoryDisk disk;
  write_whole(disk, state_bytes(snapshot_chunk_bytes + 10));
  disk.bytes(whole)[100] ^= 1;
  std::vector<std::string> lines;
  auto errors = dump(disk, whole, {.line = [&](std::string_view line) { lines.emplace_back(line); }, .describe = {}});
  ASSERT_TRUE(errors);
  EXPECT_EQ(errors.value(), 2U) << "the chunk and the whole";
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_NE(lines[1].find("ERROR chunk 0"), std::string::npos) << lines[1];
  EXPECT_EQ(lines[2].find("ERROR"), std::string::npos) << lines[2];
}

}  // namespace
}  // namespace faultline::raft::storage
