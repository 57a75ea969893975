// The scheduler of packets against its dumb twin, a list of frames, and each rule by what it does.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "adapters/live/lane.hpp"
#include "adapters/live/stream.hpp"

namespace faultline::live {
namespace {

using std::chrono::milliseconds;

Instant at(std::int64_t ms) { return Instant(milliseconds(ms)); }

Parcel frame(std::uint64_t id, std::size_t size = 100) {
  return {.id = id, .bytes = std::string(size, static_cast<char>('a' + id % 26)), .frozen = 4};
}

// All that is under way lies in one list; what arrives is found by looking at every entry.
class ListTwin {
 public:
  explicit ListTwin(Link& link) : link_(link) {}

  void send(Instant now, Parcel parcel) {
    Fate fate = link_.fate(now, parcel.bytes.size(), parcel.whole);
    if (fate.lost) return;
    if (!fate.late) {
      for (const Entry& entry : list_) fate.at = std::max(fate.at, entry.late ? fate.at : entry.at);
    }
    if (fate.damaged) link_.damage(parcel);
    if (fate.copy_at) {
      parcel.is_copy = true;
      list_.push_back({std::max(*fate.copy_at, fate.at), true, parcel});
      parcel.is_copy = false;
    }
    list_.push_back({fate.at, fate.late, parcel});
  }
  std::vector<Parcel> take(Instant now) {
    std::vector<Parcel> arrived;
    if (link_.clogged_until(now)) return arrived;
    for (;;) {
      auto first = list_.end();
      for (auto it = list_.begin(); it != list_.end(); ++it) {
        if (!link_.is_clear() && it->at > now) continue;
        if (first == list_.end() || it->at < first->at) first = it;
      }
      if (first == list_.end()) return arrived;
      arrived.push_back(first->parcel);
      list_.erase(first);
    }
  }
  [[nodiscard]] std::optional<Instant> next(Instant now) const {
    std::optional<Instant> next;
    for (const Entry& entry : list_) next = std::min(next.value_or(entry.at), entry.at);
    if (next && link_.is_clear()) return now;
    return next;
  }
  [[nodiscard]] std::size_t size() const { return list_.size(); }

 private:
  struct Entry {
    Instant at;
    bool late;
    Parcel parcel;
  };
  Link& link_;
  std::vector<Entry> list_;
};

LinkFaults drawn_faults(Rng& rng) {
  LinkFaults faults;
  for (std::uint64_t n = rng.below(3); n > 0; --n) {
    PacketRules rules;
    if (rng.chance(0.5)) rules.delay = milliseconds(rng.below(40));
    if (rng.chance(0.5)) rules.jitter = milliseconds(rng.below(40));
    if (rng.chance(0.5)) rules.loss = rng.unit() / 2;
    if (rng.chance(0.5)) rules.duplicate = rng.unit() / 2;
    if (rng.chance(0.5)) rules.reorder = rng.unit() / 2;
    if (rng.chance(0.3)) rules.corrupt = rng.unit() / 4;
    if (rng.chance(0.3)) rules.rate = 1000 + rng.below(100000);
    faults.packets.push_back(rules);
  }
  for (std::uint64_t n = rng.below(2); n > 0; --n) {
    const auto from = static_cast<std::int64_t>(rng.below(2000));
    faults.clogs.push_back({at(from), at(from + static_cast<std::int64_t>(rng.below(300)))});
  }
  return faults;
}

TEST(Lane, DoesAsTheListOfFramesDoes) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    Link link{Rng(seed)};
    Link twin_link{Rng(seed)};
    Lane lane(link);
    ListTwin twin(twin_link);
    std::int64_t now = 0;
    for (std::uint64_t step = 0; step < 200; ++step) {
      now += static_cast<std::int64_t>(rng.below(20));
      if (rng.chance(0.03)) {
        const LinkFaults faults = drawn_faults(rng);
        link.set(faults);
        twin_link.set(faults);
      }
      if (rng.chance(0.7)) {
        Parcel parcel = frame(step, 50 + rng.below(1000));
        parcel.whole = !rng.chance(0.2);
        twin.send(at(now), parcel);
        (void)lane.send(at(now), std::move(parcel));
      }
      const auto arrived = lane.take(at(now));
      const auto expected = twin.take(at(now));
      ASSERT_EQ(arrived.size(), expected.size()) << "at " << now;
      for (std::size_t i = 0; i < arrived.size(); ++i) {
        ASSERT_EQ(arrived[i].id, expected[i].id);
        ASSERT_EQ(arrived[i].bytes, expected[i].bytes);
        ASSERT_EQ(arrived[i].is_copy, expected[i].is_copy);
      }
      ASSERT_EQ(static_cast<std::int64_t>(twin.size()), link.counters.under_way);
      if (!link.clogged_until(at(now))) {
        ASSERT_EQ(lane.next(at(now)), twin.next(at(now)));
      }
    }
  }
}

// What arrives at which millisecond when a frame is sent each millisecond.
struct Journey {
  std::vector<std::pair<std::int64_t, Parcel>> arrived;
  TrafficCounters counters;
};
Journey run_with(const PacketRules& rules, std::int64_t frames = 1000, bool whole = true) {
  Link link{Rng(7)};
  Lane lane(link);
  link.set({.packets = {rules}, .clogs = {}});
  Journey run;
  for (std::int64_t now = 0; now < frames + 20000; ++now) {
    Parcel parcel = frame(static_cast<std::uint64_t>(now));
    parcel.whole = whole;
    if (now < frames) (void)lane.send(at(now), std::move(parcel));
    for (Parcel& each : lane.take(at(now))) run.arrived.emplace_back(now, std::move(each));
  }
  run.counters = link.counters;
  EXPECT_TRUE(lane.empty());
  return run;
}

TEST(Lane, DelayAndJitterAreAddedAndKeepTheOrder) {
  const Journey run = run_with({.delay = milliseconds(30), .jitter = milliseconds(10)});
  ASSERT_EQ(run.arrived.size(), 1000U);
  for (std::size_t i = 0; i < run.arrived.size(); ++i) {
    const auto& [when, parcel] = run.arrived[i];
    EXPECT_EQ(parcel.id, i);
    EXPECT_GE(when - static_cast<std::int64_t>(i), 30);
    EXPECT_LE(when - static_cast<std::int64_t>(i), 41);
  }
  EXPECT_EQ(run.counters.delayed, 1000);
  EXPECT_EQ(run.counters.reordered, 0);
}

TEST(Lane, LossAndCopiesComeAsOftenAsAsked) {
  const Journey lossy = run_with({.loss = 0.3});
  EXPECT_NEAR(static_cast<double>(lossy.counters.lost), 300, 60);
  EXPECT_EQ(static_cast<std::int64_t>(lossy.arrived.size()), 1000 - lossy.counters.lost);
  const Journey doubled = run_with({.duplicate = 0.2});
  EXPECT_NEAR(static_cast<double>(doubled.counters.duplicated), 200, 50);
  EXPECT_EQ(static_cast<std::int64_t>(doubled.arrived.size()), 1000 + doubled.counters.duplicated);
}

TEST(Lane, AReorderedFrameIsOvertakenAndCountsOnlyThen) {
  const Journey run = run_with({.reorder = 0.1});
  ASSERT_EQ(run.arrived.size(), 1000U);
  std::int64_t overtaken = 0;
  std::uint64_t newest = 0;
  for (const auto& [when, parcel] : run.arrived) {
    overtaken += parcel.id < newest ? 1 : 0;
    newest = std::max(newest, parcel.id);
  }
  EXPECT_NEAR(static_cast<double>(overtaken), 100, 40);
  EXPECT_EQ(run.counters.reordered, overtaken);
  EXPECT_EQ(run_with({.reorder = 1}, 1).counters.reordered, 0) << "nobody was there to overtake it";
}

TEST(Lane, DamageSparesWhatKeepsTheStreamInStep) {
  const Journey run = run_with({.corrupt = 0.5});
  std::int64_t damaged = 0;
  for (const auto& [when, parcel] : run.arrived) {
    const Parcel sound = frame(parcel.id);
    EXPECT_EQ(parcel.bytes.substr(0, 4), sound.bytes.substr(0, 4));
    EXPECT_EQ(parcel.bytes.size(), sound.bytes.size());
    damaged += parcel.bytes != sound.bytes ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(damaged), 500, 80);
  EXPECT_EQ(run.counters.corrupted, damaged);
}

TEST(Lane, ARateIsKeptAndWhatWaitsTooLongIsLost) {
  // 140 bytes with headers, 14 a second would take 2 kB/s: of a thousand in a second most find two seconds of others before them.
  const Journey run = run_with({.rate = 14000});
  EXPECT_GT(run.counters.lost, 600);
  EXPECT_NEAR(static_cast<double>(run.arrived.size()), 300, 10)
      << "one second of sending and two of backlog, 100 frames each";
  EXPECT_NEAR(static_cast<double>(run.arrived.back().first), 3000, 50);
}

TEST(Lane, OfAStreamNothingIsLostDoubledReorderedOrDamaged) {
  const Journey run =
      run_with({.loss = 0.1, .duplicate = 0.5, .reorder = 0.2, .corrupt = 0.1, .rate = 20000}, 1000, false);
  ASSERT_EQ(run.arrived.size(), 1000U);
  for (std::size_t i = 0; i < run.arrived.size(); ++i) {
    EXPECT_EQ(run.arrived[i].second.id, i);
    EXPECT_EQ(run.arrived[i].second.bytes, frame(i).bytes);
  }
  EXPECT_GT(run.counters.lost, 0) << "and sent again";
  EXPECT_EQ(run.counters.duplicated + run.counters.reordered + run.counters.corrupted, 0);
}

TEST(Lane, AClogHoldsWhatIsDueAndDeliversItInOrder) {
  Link link{Rng(1)};
  Lane lane(link);
  link.set({.packets = {}, .clogs = {{at(100), at(200)}, {at(150), at(300)}}});
  for (std::int64_t now = 90; now < 250; now += 10) {
    (void)lane.send(at(now), frame(static_cast<std::uint64_t>(now)));
    EXPECT_EQ(lane.take(at(now)).size(), now < 100 ? 1U : 0U);
  }
  EXPECT_EQ(link.counters.held, 15);
  EXPECT_EQ(lane.next(at(250)), at(300)) << "the last clog counts";
  const auto arrived = lane.take(at(300));
  ASSERT_EQ(arrived.size(), 15U);
  EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end(), [](const auto& a, const auto& b) { return a.id < b.id; }));
  EXPECT_EQ(link.counters.under_way, 0);
}

TEST(Lane, WhatIsUnderWayArrivesAtOnceWhenTheFaultsGo) {
  Link link{Rng(1)};
  Lane lane(link);
  link.set({.packets = {{.delay = std::chrono::hours(1)}}, .clogs = {}});
  for (std::uint64_t i = 0; i < 10; ++i) (void)lane.send(at(0), frame(i));
  EXPECT_TRUE(lane.take(at(1000)).empty());
  link.set({});
  EXPECT_EQ(lane.next(at(1001)), at(1001));
  EXPECT_EQ(lane.take(at(1001)).size(), 10U);
}

// Frames of one length byte and that many more; the first is a greeting.
struct ByteFramer final : Framer {
  FrameLook look(std::string_view bytes) override {
    const std::size_t size = 1U + static_cast<unsigned char>(bytes.front());
    if (size == 256) return {.lost_step = true};
    if (bytes.size() < size) return {};
    return {.size = size, .frozen = 1, .essential = std::exchange(first_, false)};
  }
  bool first_ = true;
};

// However the bytes come, the frames are the same and nothing is lost.
TEST(Cutter, CutsTheSameFramesWhereverReadsEnd) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    std::string stream;
    std::vector<std::string> frames;
    for (int i = 0; i < 50; ++i) {
      const auto size = static_cast<std::size_t>(rng.below(60));
      frames.push_back(static_cast<char>(size) + std::string(size, 'x'));
      stream += frames.back();
    }
    const std::string tail = "\x09half";
    stream += tail;
    Cutter cutter(std::make_unique<ByteFramer>());
    std::vector<Parcel> parcels;
    for (std::size_t read = 0; read < stream.size();) {
      const std::size_t n = std::min<std::size_t>(1 + rng.below(100), stream.size() - read);
      for (Parcel& parcel : cutter.cut({stream.data() + read, n})) parcels.push_back(std::move(parcel));
      read += n;
    }
    ASSERT_EQ(parcels.size(), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(parcels[i].bytes, frames[i]);
      EXPECT_EQ(parcels[i].whole, i > 0) << "a greeting is only ever late";
    }
    ASSERT_EQ(cutter.rest().size(), 1U);
  }
}

TEST(Cutter, BytesThatAreNoFramesPassAsPieces) {
  Cutter cutter(std::make_unique<ByteFramer>());
  const std::string stream = std::string("\x01") + "a" + "\xff" + std::string(10000, 'z');
  const auto parcels = cutter.cut(stream);
  ASSERT_EQ(parcels.size(), 4U);
  std::string joined;
  for (const Parcel& parcel : parcels) joined += parcel.bytes;
  EXPECT_EQ(joined, stream);
  EXPECT_FALSE(parcels.back().whole);
  EXPECT_TRUE(cutter.is_opaque()) << "from then on";
}

}  // namespace
}  // namespace faultline::live
