// The disk's model against a dumb twin: whatever comes back after a power loss is one of the images the model allows.
#include <gtest/gtest.h>

#include <adapters/sim/disk_image.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

namespace faultline::sim {
namespace {

std::string text_of(const SparseBytes& bytes) { return bytes.read(0, bytes.size()); }

// Every byte remembers all values it had since it was last durable. Sizes likewise. Slow, and easy to believe.
struct TwinFile {
  std::vector<std::set<char>> bytes;  // possible values after a loss that keeps any subset
  std::string now;
  std::set<std::size_t> sizes{0};

  void grow(std::size_t size) {
    if (bytes.size() < size) bytes.resize(size, {'\0'});
  }
  void write(std::size_t offset, std::string_view text) {
    if (text.empty()) return;
    if (offset > now.size()) resize(offset);
    if (offset + text.size() > now.size()) now.resize(offset + text.size());
    grow(now.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      now[offset + i] = text[i];
      bytes[offset + i].insert(text[i]);
      // A sector of the write may be there without the one before: up to any of its ends.
      sizes.insert(offset + i + 1);
    }
    sizes.insert(now.size());
  }
  void resize(std::size_t size) {
    grow(size);
    const std::size_t from = std::min(size, now.size());
    now.resize(size, '\0');
    for (std::size_t i = from; i < bytes.size(); ++i) bytes[i].insert('\0');
    sizes.insert(size);
  }
  void sync() {
    bytes.clear();
    for (const char c : now) bytes.push_back({c});
    sizes = {now.size()};
  }
  [[nodiscard]] bool allows(const std::string& image) const {
    if (!sizes.contains(image.size())) return false;
    for (std::size_t i = 0; i < image.size(); ++i) {
      if (i < bytes.size() ? !bytes[i].contains(image[i]) : image[i] != '\0') return false;
    }
    return true;
  }
};

std::string random_text(Rng& rng, std::size_t longest) {
  std::string text(1 + rng.below(longest), ' ');
  for (char& c : text) c = static_cast<char>('a' + rng.below(26));
  return text;
}

constexpr std::array<PowerLoss, 3> losses{PowerLoss::lose_unsynced, PowerLoss::torn, PowerLoss::reordered};

TEST(Inode, AfterAPowerLossHoldsWhatTheTwinAllowsAndAllThatWasSynced) {
  Rng rng(1);
  std::map<PowerLoss, int> differs;
  for (int round = 0; round < 600; ++round) {
    Inode file;
    TwinFile twin;
    const std::size_t longest = rng.chance(0.7) ? 300 : 5000;
    for (std::uint64_t steps = rng.below(12); steps > 0; --steps) {
      const std::uint64_t what = rng.below(10);
      if (what < 6) {
        const std::size_t at = rng.chance(0.5) ? twin.now.size() : rng.below(longest * 2);
        const std::string text = random_text(rng, longest);
        file.write(at, text);
        twin.write(at, text);
      } else if (what < 8) {
        const std::size_t size = rng.below(longest * 2);
        file.truncate(size);
        twin.resize(size);
      } else {
        file.sync();
        twin.sync();
      }
      ASSERT_EQ(text_of(file.bytes()), twin.now);
    }
    const PowerLoss loss = losses[rng.below(losses.size())];
    const bool synced = file.is_clean();
    const std::string durable = text_of(file.durable());
    const std::uint64_t pages = file.lose(loss, rng);
    ASSERT_TRUE(twin.allows(text_of(file.bytes()))) << "round " << round << ", loss " << static_cast<int>(loss);
    ASSERT_EQ(text_of(file.bytes()), text_of(file.durable()));
    if (synced) {
      ASSERT_EQ(text_of(file.bytes()), twin.now);
    }
    if (loss == PowerLoss::lose_unsynced) {
      ASSERT_EQ(text_of(file.bytes()), durable);
    }
    if (text_of(file.bytes()) != twin.now) {
      ASSERT_GT(pages, 0U);
      ++differs[loss];
    }
    ASSERT_TRUE(file.is_clean());
  }
  for (const PowerLoss loss : losses) EXPECT_GT(differs[loss], 50);
}

// The exact models, over all versions of the file since its last sync.
struct Version {
  std::string bytes;
  std::size_t from = 0, to = 0;  // what the step to this version wrote; nothing for a change of size
};

std::string_view piece(const std::string& bytes, std::size_t at, std::size_t length) {
  return at < bytes.size() ? std::string_view(bytes).substr(at, length) : std::string_view();
}
bool same(std::string_view a, std::string_view b) {
  const auto end = [](std::string_view text) { return text.find_last_not_of('\0') + 1; };  // as if zeros followed
  return a.substr(0, end(a)) == b.substr(0, end(b));
}

// A prefix of the writes, and sectors of the next.
bool is_torn_image(const std::string& image, const std::vector<Version>& versions) {
  for (std::size_t k = 0; k < versions.size(); ++k) {
    const std::string& whole = versions[k].bytes;
    if (image == whole) return true;
    if (k + 1 == versions.size() || image.size() < whole.size()) continue;
    const Version& next = versions[k + 1];
    if (next.from == next.to || image.size() > std::max(whole.size(), next.to)) continue;
    bool matches = true;
    for (std::size_t at = 0; at < image.size() && matches; at += sector_size) {
      const auto is = piece(image, at, sector_size);
      matches = same(is, piece(whole, at, sector_size)) || same(is, piece(next.bytes, at, sector_size));
    }
    if (matches) return true;
  }
  return false;
}

// Each page for itself in one version, perhaps with sectors of its next; the size that of some version.
bool is_reordered_image(const std::string& image, const std::vector<Version>& versions) {
  if (std::none_of(versions.begin(), versions.end(), [&](const Version& v) { return v.bytes.size() == image.size(); }))
    return false;
  for (std::size_t page = 0; page < image.size(); page += page_size) {
    const std::size_t end = std::min<std::size_t>(page + page_size, image.size());
    bool found = false;
    for (std::size_t k = 0; k < versions.size() && !found; ++k) {
      // The next version in which this page differs.
      std::size_t next = k;
      while (next + 1 < versions.size() &&
             same(piece(versions[next].bytes, page, page_size), piece(versions[k].bytes, page, page_size)))
        ++next;
      found = true;
      for (std::size_t at = page; at < end && found; at += sector_size) {
        const std::size_t length = std::min(sector_size, end - at);
        const auto is = piece(image, at, length);
        found = same(is, piece(versions[k].bytes, at, length)) || same(is, piece(versions[next].bytes, at, length));
      }
    }
    if (!found) return false;
  }
  return true;
}

TEST(Inode, ATornImageIsAPrefixAndSectorsAReorderedOneAVersionOfEachPage) {
  Rng rng(2);
  std::map<PowerLoss, std::map<bool, int>> seen;  // whether it is some version as a whole
  for (int round = 0; round < 3000; ++round) {
    Inode file;
    std::vector<Version> versions(1);
    for (std::uint64_t steps = 1 + rng.below(8); steps > 0; --steps) {
      Version next = versions.back();
      next.from = next.to = 0;
      if (rng.chance(0.8)) {
        const std::size_t at = rng.below(3 * page_size);
        const std::string text = random_text(rng, rng.chance(0.5) ? 100 : 2 * page_size);
        file.write(at, text);
        next.bytes.resize(std::max(next.bytes.size(), at + text.size()));
        next.bytes.replace(at, text.size(), text);
        next.from = at, next.to = at + text.size();
        // A write behind the end makes the file longer first.
        if (at > versions.back().bytes.size()) {
          versions.push_back(versions.back());
          versions.back().bytes.resize(at);
          versions.back().from = versions.back().to = 0;
        }
      } else {
        const std::size_t size = rng.below(4 * page_size);
        file.truncate(size);
        next.bytes.resize(size);
      }
      versions.push_back(next);
      if (!rng.chance(0.2)) continue;
      file.sync();
      versions = {{versions.back().bytes, 0, 0}};
    }
    const PowerLoss loss = rng.chance(0.5) ? PowerLoss::torn : PowerLoss::reordered;
    file.lose(loss, rng);
    ASSERT_TRUE(loss == PowerLoss::torn ? is_torn_image(text_of(file.bytes()), versions)
                                        : is_reordered_image(text_of(file.bytes()), versions))
        << "round " << round << ", loss " << static_cast<int>(loss);
    const bool whole = std::any_of(versions.begin(), versions.end(),
                                   [&](const Version& v) { return v.bytes == text_of(file.bytes()); });
    ++seen[loss][whole];
  }
  for (const PowerLoss loss : {PowerLoss::torn, PowerLoss::reordered}) EXPECT_GT(seen[loss][false], 200);
}

TEST(Inode, AProcessThatIsKilledLosesNothing) {
  Rng rng(1);
  Inode file;
  file.write(0, "abc");
  EXPECT_EQ(file.lose(PowerLoss::keep, rng), 0U);
  EXPECT_EQ(text_of(file.bytes()), "abc");
  EXPECT_EQ(text_of(file.durable()), "");  // and it may still be lost
  file.lose(PowerLoss::lose_unsynced, rng);
  EXPECT_EQ(text_of(file.bytes()), "");
}

TEST(Inode, ReorderedKeepsALaterPageWithoutAnEarlierOne) {
  bool seen = false;
  for (std::uint64_t seed = 0; seed < 100 && !seen; ++seed) {
    Rng rng(seed);
    Inode file;
    file.truncate(2 * page_size);
    file.sync();
    file.write(0, "first");
    file.write(page_size, "second");
    file.lose(PowerLoss::reordered, rng);
    seen = file.bytes().read(0, 5) != "first" && file.bytes().read(page_size, 6) == "second";
  }
  EXPECT_TRUE(seen);
}

TEST(Inode, TornKeepsThePrefixOfWritesAndSomeSectorsOfTheNext) {
  bool seen = false;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    Inode file;
    file.truncate(4 * sector_size);
    file.sync();
    file.write(0, std::string(2 * sector_size, 'a'));
    file.write(0, std::string(2 * sector_size, 'b'));
    file.lose(PowerLoss::torn, rng);
    const char first = file.bytes().at(0), second = file.bytes().at(sector_size);
    for (std::size_t i = 0; i < 2 * sector_size; ++i)
      ASSERT_EQ(file.bytes().at(i), i < sector_size ? first : second);  // no sector is torn within
    seen = seen || (first == 'a' && second == 'b') || (first == '\0' && second == 'a');
    ASSERT_FALSE(first == '\0' && second == 'b');  // the later write only after the earlier one
  }
  EXPECT_TRUE(seen);
}

TEST(Inode, ADroppedPageReadsWellSyncsWellAndIsGoneAfterThePowerLoss) {
  Rng rng(1);
  Inode file;
  file.write(0, "old");
  file.sync();
  file.write(0, "new");
  EXPECT_EQ(file.drop_dirty(), 1U);
  EXPECT_EQ(text_of(file.bytes()), "new");
  file.sync();
  EXPECT_EQ(text_of(file.durable()), "old");
  file.lose(PowerLoss::lose_unsynced, rng);
  EXPECT_EQ(text_of(file.bytes()), "old");
}

TEST(Inode, ADroppedPageThatIsWrittenAgainBecomesDurableAsAWhole) {
  Inode file;
  file.write(0, "0000000000");
  file.sync();
  file.write(0, "new");
  file.drop_dirty();
  file.write(8, "xy");
  file.sync();
  EXPECT_EQ(text_of(file.durable()), "new00000xy");
  EXPECT_TRUE(file.is_clean());
}

TEST(Inode, ADroppedPageThatIsEvictedReadsAsItIsOnTheDisk) {
  Inode file;
  file.write(0, "old");
  file.sync();
  file.write(0, "new and longer");
  file.drop_dirty();
  file.evict_dropped();
  EXPECT_EQ(text_of(file.bytes()), std::string("old").append(11, '\0'));
}

TEST(SparseBytes, AgreeWithAString) {
  Rng rng(7);
  SparseBytes sparse, source;
  std::string twin, twin_source;
  const auto two_places = [&](std::size_t size) {
    std::size_t from = rng.below(size + 1), to = rng.below(size + 1);
    if (from > to) std::swap(from, to);
    return std::pair(from, to);
  };
  for (int i = 0; i < 20'000; ++i) {
    switch (rng.below(6)) {
      case 0: {
        const std::size_t size = rng.below(60);
        sparse.resize(size);
        twin.resize(size, '\0');
        break;
      }
      case 1: {
        const std::size_t at = rng.below(50);
        const std::string bytes(rng.below(12), static_cast<char>('a' + rng.below(26)));
        if (bytes.empty()) break;
        sparse.write(at, bytes);
        if (twin.size() < at + bytes.size()) twin.resize(at + bytes.size(), '\0');
        twin.replace(at, bytes.size(), bytes);
        break;
      }
      case 2: {
        const auto [from, to] = two_places(twin.size());
        sparse.zero(from, to);
        std::fill(twin.begin() + static_cast<std::ptrdiff_t>(from), twin.begin() + static_cast<std::ptrdiff_t>(to),
                  '\0');
        break;
      }
      case 3: {
        const auto [from, to] = two_places(std::min(twin.size(), twin_source.size()));
        sparse.copy(source, from, to);
        twin.replace(from, to - from, twin_source, from, to - from);
        break;
      }
      case 4: {
        if (twin.empty()) break;
        const std::size_t at = rng.below(twin.size());
        const auto bit = static_cast<unsigned>(rng.below(8));
        sparse.flip(at, bit);
        twin[at] = static_cast<char>(static_cast<unsigned char>(twin[at]) ^ (1U << bit));
        break;
      }
      default: std::swap(sparse, source); std::swap(twin, twin_source);
    }
    ASSERT_EQ(text_of(sparse), twin);
    ASSERT_LE(sparse.held(), sparse.size());
    const auto [from, to] = two_places(70);
    ASSERT_EQ(sparse.read(from, to - from), from < twin.size() ? twin.substr(from, to - from) : "");
  }
}

// --- folders -----------------------------------------------------------------------------------------------------------------

TEST(DiskImage, ANameIsDurableOnlyOnceItsFolderIsSynced) {
  Rng rng(1);
  DiskImage disk;
  disk.make_folder("wal");
  disk.create("wal/1")->write(0, "x");
  disk.find("wal/1")->sync();
  EXPECT_EQ(disk.lose(PowerLoss::lose_unsynced, rng).entries, 1U);
  EXPECT_EQ(disk.find("wal/1"), nullptr);
  EXPECT_TRUE(disk.has_folder("wal"));
  disk.create("wal/1");
  disk.sync_folder("wal");
  EXPECT_EQ(disk.lose(PowerLoss::lose_unsynced, rng).entries, 0U);
  EXPECT_NE(disk.find("wal/1"), nullptr);
}

TEST(DiskImage, ARenameOrRemovalThatIsNotSyncedIsUndone) {
  Rng rng(1);
  DiskImage disk;
  disk.create("a")->write(0, "of a");
  disk.create("b");
  disk.find("a")->sync();
  disk.sync_folder("");
  EXPECT_TRUE(disk.rename("a", "b"));
  EXPECT_EQ(text_of(disk.find("b")->bytes()), "of a");
  EXPECT_EQ(disk.list(""), std::vector<std::string>{"b"});
  disk.lose(PowerLoss::lose_unsynced, rng);
  EXPECT_EQ(disk.list(""), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(disk.find("a")->path, "a");
  EXPECT_TRUE(disk.remove("a"));
  EXPECT_FALSE(disk.remove("a"));
  disk.lose(PowerLoss::lose_unsynced, rng);
  EXPECT_NE(disk.find("a"), nullptr);
}

TEST(DiskImage, ARenameIntoAnotherFolderIsWholeWhenEitherIsSynced) {
  Rng rng(1);
  DiskImage disk;
  disk.make_folder("tmp");
  disk.make_folder("snap");
  disk.create("tmp/x");
  disk.rename("tmp/x", "snap/x");
  disk.sync_folder("snap");
  disk.lose(PowerLoss::lose_unsynced, rng);
  EXPECT_EQ(disk.list("tmp").size() + disk.list("snap").size(), 1U);
  EXPECT_NE(disk.find("snap/x"), nullptr);
}

// Random changes of names; what survives is what some subset of the unsynced ones gives, and all of the synced.
TEST(DiskImage, NamesAfterAPowerLossAreThoseOfSomeSubsetOfTheUnsyncedChanges) {
  Rng rng(5);
  const std::vector<std::string> names{"a", "b", "c"};
  int undone = 0;
  for (int round = 0; round < 4000; ++round) {
    DiskImage disk;
    using Names = std::map<std::string, int>;  // which file
    Names now;
    std::set<Names> possible{now};
    std::vector<std::function<void(Names&)>> changes;
    std::map<int, std::shared_ptr<Inode>> files;
    int next = 0;
    for (std::uint64_t steps = 1 + rng.below(6); steps > 0; --steps) {
      const std::string& from = rng.pick(names);
      const std::string& to = rng.pick(names);
      std::function<void(Names&)> change;
      if (!now.contains(from)) {
        files[++next] = disk.create(from);
        change = [from, id = next](Names& n) { n[from] = id; };
      } else if (rng.chance(0.4)) {
        disk.remove(from);
        change = [from, id = now[from]](Names& n) { n.contains(from) && n[from] == id ? n.erase(from) : 0; };
      } else if (from != to) {
        disk.rename(from, to);
        change = [from, to, id = now[from]](Names& n) {
          if (!n.contains(from) || n[from] != id) return;
          n.erase(from);
          n[to] = id;
        };
      } else if (rng.chance(0.5)) {
        disk.sync_folder("");
        possible = {now};
        continue;
      } else {
        continue;
      }
      std::set<Names> more = possible;
      for (Names each : possible) {
        change(each);
        more.insert(each);
      }
      possible = std::move(more);
      change(now);
    }
    undone += disk.lose(rng.chance(0.5) ? PowerLoss::reordered : PowerLoss::torn, rng).entries > 0 ? 1 : 0;
    Names after;
    for (const auto& [path, inode] : disk.files()) {
      const auto file = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.second == inode; });
      ASSERT_NE(file, files.end());
      after[path] = file->first;
    }
    ASSERT_TRUE(possible.contains(after)) << "round " << round;
  }
  EXPECT_GT(undone, 500);
}

}  // namespace
}  // namespace faultline::sim
