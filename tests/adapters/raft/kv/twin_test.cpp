// The store against its dumb twin: random commands, every reply and every question compared, snapshots taken and restored on the way.
// FAULTLINE_ROUNDS asks for more than the suite's share.
#include <gtest/gtest.h>

#include <cstdlib>

#include <faultline/raft/kv/snapshot.hpp>

#include "random_commands.hpp"
#include "twin.hpp"

namespace faultline::raft::kv {
namespace {

std::uint64_t rounds(std::uint64_t usual) {
  const char* text = std::getenv("FAULTLINE_ROUNDS");
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

std::string bytes_of(View view) {
  const std::uint64_t size = view.size();
  Exporter exporter(std::move(view));
  std::string all;
  for (std::string piece = exporter.next(97); !piece.empty(); piece = exporter.next(97)) all += piece;
  EXPECT_EQ(all.size(), size);
  return all;
}

Store restored(const std::string& bytes, Rng& rng) {
  Importer importer;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t n = 1 + rng.below(200);
    const auto fed = importer.feed(std::string_view(bytes).substr(at, n));
    EXPECT_TRUE(fed.ok()) << fed.error().to_string();
    at += n;
  }
  auto store = importer.finish();
  EXPECT_TRUE(store.ok()) << store.error().to_string();
  return std::move(store).value();
}

void expect_same_page(const Store& store, const Twin& twin, Watch watch, std::size_t records_max) {
  const WatchPage expected = twin.watch(watch);
  watch.records_max = records_max;
  std::vector<WatchPage::Batch> batches;
  for (;;) {
    WatchPage page = store.watch(watch);
    ASSERT_EQ(page.compacted, expected.compacted);
    if (page.compacted) return;
    for (auto& batch : page.batches) batches.push_back(std::move(batch));
    if (page.next > store.revision()) {
      ASSERT_EQ(page.next, expected.next);
      break;
    }
    ASSERT_GT(page.next, watch.start_revision) << "no progress";
    watch.start_revision = page.next;
  }
  ASSERT_EQ(batches.size(), expected.batches.size());
  for (std::size_t i = 0; i < batches.size(); ++i) {
    ASSERT_EQ(batches[i].revision, expected.batches[i].revision);
    ASSERT_EQ(batches[i].events, expected.batches[i].events);
  }
}

void expect_same_tables(const Store& store, const Twin& twin) {
  ASSERT_EQ(store.leases(), twin.leases());
  ASSERT_EQ(store.sessions(), twin.sessions());
  for (const Lease& lease : store.leases()) ASSERT_EQ(store.lease_keys(lease.id), twin.lease_keys(lease.id));
}

// One life of about `entries` entries.
void compare_with_twin(std::uint64_t seed, std::uint64_t entries) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomCommands random(Rng(seed).fork("commands"));
  Rng rng = Rng(seed).fork("questions");
  Store store;
  Twin twin;
  std::optional<std::pair<View, std::string>> frozen;
  for (std::uint64_t index = 1; index <= entries; ++index) {
    const Command command = random.command(twin.revision(), index);
    SCOPED_TRACE("entry " + std::to_string(index) + ": " + to_text(command));
    const Reply expected = twin.apply(index, command);
    const Reply reply = store.apply(LogIndex{index}, encode(command));
    ASSERT_EQ(reply, expected) << to_text(reply) << "\nbut the twin\n" << to_text(expected);
    ASSERT_EQ(store.revision(), twin.revision());
    const Range range = random.range(twin.revision());
    ASSERT_EQ(store.range(range), twin.range(range)) << to_text({.request = Txn{.success = {{range}}}});
    if (rng.chance(0.2)) expect_same_page(store, twin, random.watch(twin.revision()), 1 + rng.below(8));
    if (rng.chance(0.1)) expect_same_tables(store, twin);
    if (rng.chance(0.02)) {
      const std::string bytes = bytes_of(store.view());
      Store copy = restored(bytes, rng);
      ASSERT_EQ(copy.hash(), store.hash());
      ASSERT_EQ(bytes_of(copy.view()), bytes);
      store = std::move(copy);
    }
    if (rng.chance(0.02)) {
      if (frozen) {
        ASSERT_EQ(bytes_of(std::move(frozen->first)), frozen->second) << "a view changed under the store's feet";
      }
      frozen.emplace(store.view(), bytes_of(store.view()));
    }
    if (testing::Test::HasFatalFailure()) return;
  }
  // With compaction behind it and enough entries to sweep, only what can be seen is left.
  for (std::uint64_t i = 0; i < 20; ++i)
    store.apply(store.applied() + 1, Command{.request = LeaseKeepalive{LeaseId{99}}});
  ASSERT_EQ(store.record_count(), twin.visible());
}

TEST(Store, AnswersAsItsTwinThroughSnapshotsAndCompactions) {
  const std::uint64_t n = rounds(120);
  for (std::uint64_t seed = 1; seed <= n && !HasFatalFailure(); ++seed) compare_with_twin(seed, 20 + seed % 7 * 40);
}

TEST(Store, EqualLogsGiveEqualHashesAndDifferentOnesDifferent) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RandomCommands random{Rng(seed)};
    Store a;
    Store b;
    for (std::uint64_t index = 1; index <= 200; ++index) {
      const Command command = random.command(a.revision(), index);
      a.apply(LogIndex{index}, command);
      b.apply(LogIndex{index}, command);
      ASSERT_EQ(a.hash(), b.hash());
    }
    a.apply(LogIndex{201}, Command{.request = Put{.key = "k", .value = "1"}});
    b.apply(LogIndex{201}, Command{.request = Put{.key = "k", .value = "2"}});
    ASSERT_FALSE(a.hash() == b.hash());
  }
}

}  // namespace
}  // namespace faultline::raft::kv
