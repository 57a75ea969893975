// Snapshots that are damaged, cut, or written by another thread while the store goes on; and a long life of ten keys against a map.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include <faultline/raft/kv/snapshot.hpp>

#include "random_commands.hpp"

namespace faultline::raft::kv {
namespace {

std::string bytes_of(View view, std::size_t piece_bytes = 256 << 10) {
  Exporter exporter(std::move(view));
  std::string all;
  for (std::string piece = exporter.next(piece_bytes); !piece.empty(); piece = exporter.next(piece_bytes)) {
    EXPECT_LE(piece.size(), piece_bytes);
    all += piece;
  }
  return all;
}

Result<Store> read_back(std::string_view bytes) {
  Importer importer;
  const auto fed = importer.feed(bytes);
  if (!fed) return fed.error();
  return importer.finish();
}

Store lived(std::uint64_t seed, std::uint64_t entries) {
  RandomCommands random{Rng(seed)};
  Store store;
  for (std::uint64_t index = 1; index <= entries; ++index) {
    store.apply(LogIndex{index}, random.command(store.revision(), index));
  }
  return store;
}

TEST(Snapshot, EveryFlippedBitIsRefused) {
  Store store = lived(3, 60);
  const std::string bytes = bytes_of(store.view());
  ASSERT_GT(store.record_count(), 5U);
  ASSERT_FALSE(store.sessions().empty());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      ASSERT_FALSE(read_back(damaged).ok()) << "byte " << at << " bit " << bit;
    }
  }
}

TEST(Snapshot, EveryCutAndEveryExtraByteIsRefused) {
  const std::string bytes = bytes_of(lived(4, 60).view());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto store = read_back(std::string_view(bytes).substr(0, n));
    ASSERT_FALSE(store.ok()) << n;
    ASSERT_NE(store.error().message.find("at byte"), std::string::npos);
  }
  EXPECT_FALSE(read_back(bytes + 'x').ok());
}

TEST(Snapshot, AFlippedBitInAStoredReplyIsRefused) {
  Store store;
  store.apply(LogIndex{1}, Command{.request = SessionOpen{}});
  store.apply(LogIndex{2}, Command{.client = ClientSequence{SessionId{1}, 1}, .request = Put{.key = "k"}});
  const std::string bytes = bytes_of(store.view());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_FALSE(read_back(damaged).ok()) << "byte " << at;
  }
}

TEST(Snapshot, ASweepUnderWayGoesOnAlike) {
  Store store;
  const auto apply = [](Store& to, decltype(Command::request) request) {
    to.apply(to.applied() + 1, Command{.request = std::move(request)});
  };
  for (int i = 0; i < 30'000; ++i) apply(store, Put{.key = "k" + std::to_string(i % 7)});
  apply(store, Compaction{20'000});
  auto copy = read_back(bytes_of(store.view()));
  ASSERT_TRUE(copy.ok()) << copy.error().to_string();
  const std::uint64_t before = store.record_count();
  for (int i = 0; i < 3'000; ++i) {
    for (Store* one : {&store, &copy.value()})
      apply(*one, i == 500 ? decltype(Command::request)(Compaction{25'000}) : Put{.key = "x"});
    ASSERT_EQ(copy.value().hash(), store.hash());
    ASSERT_EQ(copy.value().record_count(), store.record_count());
  }
  EXPECT_LT(store.record_count(), before);
  EXPECT_EQ(bytes_of(copy.value().view()), bytes_of(store.view()));
}

TEST(Snapshot, AfterAnErrorEveryCallFailsAlike) {
  Importer importer;
  ASSERT_FALSE(importer.feed(std::string(200, 'x')).ok());
  EXPECT_FALSE(importer.feed("more").ok());
  EXPECT_FALSE(importer.finish().ok());
}

TEST(Snapshot, PiecesOfAnySizeGiveTheSameBytes) {
  Store store = lived(5, 400);
  const std::string bytes = bytes_of(store.view());
  for (const std::size_t piece : {1U, 7U, 4096U}) ASSERT_EQ(bytes_of(store.view(), piece), bytes);
}

TEST(Snapshot, AnotherThreadWritesAViewWhileTheStoreGoesOn) {
  RandomCommands random{Rng(6)};
  Store store;
  std::uint64_t index = 0;
  const auto live_on = [&](int entries) {
    for (int i = 0; i < entries; ++i) {
      ++index;
      store.apply(LogIndex{index}, random.command(store.revision(), index));
    }
  };
  live_on(2'000);
  for (int round = 0; round < 10; ++round) {
    const std::string expected = bytes_of(store.view());
    std::string written;
    std::thread writer([&written, view = store.view()]() mutable { written = bytes_of(std::move(view), 100); });
    live_on(2'000);
    writer.join();
    ASSERT_EQ(written, expected);
  }
}

// Legal by construction: a map says what the last value is and how many records a full sweep leaves. Long enough for chunks to fill, to
// be emptied and to be merged, with views holding on to old ones.
TEST(Snapshot, ALongLifeAgreesWithAMap) {
  Rng rng(7);
  Store store;
  std::map<std::string, std::string> expected;
  std::vector<std::pair<View, std::string>> views;
  for (std::uint64_t index = 1; index <= 60'000; ++index) {
    const std::string key = "key" + std::to_string(rng.chance(0.5) ? rng.below(10) : rng.below(3'000));
    if (rng.chance(0.1)) {
      store.apply(LogIndex{index}, Command{.request = DeleteRange{.key = key}});
      expected.erase(key);
    } else if (rng.chance(0.0005)) {
      store.apply(LogIndex{index}, Command{.request = Compaction{store.revision() - rng.between(0, 2'000)}});
    } else {
      expected[key] = std::to_string(index);
      store.apply(LogIndex{index}, Command{.request = Put{.key = key, .value = expected[key]}});
    }
    if (index % 10'000 == 0) views.emplace_back(store.view(), bytes_of(store.view()));
  }
  const auto check_against_map = [&](const Store& checked) {
    const auto all = std::get<RangeReply>(checked.range({.key = "k", .range_end = std::string(1, '\0')}));
    ASSERT_EQ(all.kvs.size(), expected.size());
    auto i = expected.begin();
    for (const KeyValue& kv : all.kvs) {
      ASSERT_EQ(kv.key, i->first);
      ASSERT_EQ(kv.value, i->second);
      ++i;
    }
  };
  check_against_map(store);
  for (auto& [view, bytes] : views) ASSERT_EQ(bytes_of(std::move(view)), bytes);
  auto copy = read_back(bytes_of(store.view()));
  ASSERT_TRUE(copy.ok());
  ASSERT_EQ(copy.value().hash(), store.hash());
  for (Store* one : {&store, &copy.value()}) {
    const Command compaction{.request = Compaction{one->revision()}};
    one->apply(one->applied() + 1, compaction);
    for (int i = 0; i < 3'000; ++i) one->apply(one->applied() + 1, Command{.request = LeaseKeepalive{LeaseId{1}}});
    check_against_map(*one);
    // A tombstone exactly at the compact revision is kept.
    ASSERT_LE(one->record_count() - expected.size(), 1U);
  }
  ASSERT_EQ(copy.value().hash(), store.hash());
}

}  // namespace
}  // namespace faultline::raft::kv
