#include <faultline/raft/storage/wal.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace faultline::raft::storage {
namespace {

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("faultline-wal-" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
};

Entry entry(std::uint64_t index, std::uint64_t term, std::string data) {
  return {.term = {term}, .index = {index}, .kind = EntryKind::command, .data = std::move(data)};
}

TEST(PosixWal, WhatWasAppendedIsThereAgain) {
  const Folder folder;
  const auto disk = posix_disk(folder.path);
  const Identity identity{7, {1}};
  const WalOptions options{.segment_bytes = 4096, .sync = true};
  std::vector<Entry> all;
  {
    auto opened = Wal::open(*disk, "wal", identity, options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    EXPECT_TRUE(opened.value().recovered.fresh);
    Wal& wal = *opened.value().wal;
    for (std::uint64_t i = 1; i <= 100; ++i) {
      all.push_back(entry(i, 1 + i / 30, std::string(i * 7 % 300, static_cast<char>(i))));
      auto appended =
          wal.append({.entries = {all.back()}, .hard_state = HardState{{1 + i / 30}, {1}, {i - 1}}, .mark = {}});
      ASSERT_TRUE(appended) << appended.error().to_string();
      auto reserved = wal.reserve();
      ASSERT_TRUE(reserved);
    }
    EXPECT_GT(wal.segments(), 3U);
    auto read = wal.read({10}, {20}, 1 << 20);
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(read.value(), std::vector<Entry>(all.begin() + 9, all.begin() + 19));
  }
  auto again = Wal::open(*disk, "wal", identity, options);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again.value().recovered.entries, all);
  EXPECT_EQ(again.value().recovered.hard_state, (HardState{{4}, {1}, {99}}));
  EXPECT_FALSE(again.value().recovered.torn);
}

}  // namespace
}  // namespace faultline::raft::storage
