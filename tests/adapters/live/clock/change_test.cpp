// The arithmetic of a bent clock, in the harness and in the very code that runs in other processes.
#include "adapters/live/clock/change.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

#include <faultline/rng.hpp>

#include "adapters/live/clock/stub.hpp"

namespace faultline::live::clock {
namespace {

using Kind = ClockChange::Kind;
using namespace std::chrono_literals;
constexpr std::int64_t start = 1'700'000'000'000'000'000;
constexpr std::int64_t ms = 1'000'000;

// The dumb twin: every change ever made, and a walk from the first to t.
class Walk {
 public:
  void add(std::int64_t at, const ClockChange& change) { steps_.push_back({at, change}); }

  [[nodiscard]] std::int64_t seen(std::int64_t t, bool monotonic) const {
    Wide error = 0, rate = 0, from = 0;  // rate - 1, in 2^-32
    Wide amplitude = 0, period = 0, until = never, begin = 0;
    const auto drift = [&](Wide to) {
      const Wide product = (to - from) * rate;
      return product >= 0 ? product / unit : -((-product + unit - 1) / unit);
    };
    for (const auto& [at, change] : steps_) {
      if (at > t) break;
      error = at >= until ? Wide{0} : error + drift(at);
      if (at >= until) rate = 0;
      until = never, from = begin = at, amplitude = 0, period = 0;
      if (change.kind == Kind::jump) error += change.by.count();
      if (change.kind == Kind::rate) rate = static_cast<Wide>((change.rate - 1) * static_cast<double>(unit));
      if (change.kind == Kind::freeze) rate = -unit;
      if (change.kind == Kind::strobe) rate = 0, amplitude = change.by.count(), period = change.period.count();
      if (change.kind != Kind::reset) continue;
      rate = 0;
      if (error > 0 && (monotonic || change.slew)) {
        rate = -unit / 2;
        until = at + 2 * error;
      } else {
        error = 0;
      }
    }
    if (t >= until) return t;
    Wide seen = t + error + drift(t);
    if (period > 0 && (t - begin) / period % 2 != 0) seen += amplitude;
    return seen < 0 ? 0 : static_cast<std::int64_t>(seen);
  }

 private:
  static constexpr Wide unit = Wide{1} << 32;
  struct Step {
    std::int64_t at;
    ClockChange change;
  };
  std::vector<Step> steps_;
};

ClockChange drawn(Rng& rng) {
  ClockChange change;
  change.kind = static_cast<Kind>(rng.between(0, 4));
  change.by = Duration(rng.between(-3'000'000'000, 3'000'000'000));
  // Eighths are exact in 32 bits.
  change.rate = static_cast<double>(rng.between(0, 24)) / 8;
  change.period = Duration(rng.between(1'000, 50 * ms));
  change.slew = rng.between(0, 1) == 1;
  return change;
}

TEST(ClockChanges, AgreeWithAWalkOverEverythingThatWasEverChanged) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Rng rng(seed);
    const bool monotonic = rng.between(0, 1) == 1;
    Warp warp;
    Walk walk;
    std::int64_t now = start;
    for (int step = 0; step < 40; ++step) {
      const std::int64_t at = now + rng.between(1, 3 * ms);
      const ClockChange change = drawn(rng);
      warp = changed(warp, change, monotonic, now, at);
      for (const std::int64_t t : {now, (now + at) / 2, at - 1})
        ASSERT_EQ(seen_at(warp, t), walk.seen(t, monotonic)) << "seed " << seed << " step " << step << " before";
      walk.add(at, change);
      now = at;
      for (int look = 0; look < 6; ++look) {
        ASSERT_EQ(seen_at(warp, now), walk.seen(now, monotonic))
            << "seed " << seed << " step " << step << " look " << look;
        now += rng.between(1, look == 5 ? 4'000 * ms : 20 * ms);
      }
    }
  }
}

TEST(ClockChanges, RatesFreezesAndSlewsNeverStepBack) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Rng rng(seed);
    Warp warp;
    std::int64_t now = start;
    std::int64_t last = 0;
    for (int step = 0; step < 60; ++step) {
      ClockChange change = drawn(rng);
      if (change.kind == Kind::strobe) change.kind = Kind::reset;
      change.by = std::chrono::abs(change.by);
      const std::int64_t at = now + 2 * ms;
      warp = changed(warp, change, true, now, at);
      for (std::int64_t t = now; t <= at + 10 * ms; t += rng.between(1, ms)) {
        ASSERT_GE(seen_at(warp, t), last) << "seed " << seed << " step " << step;
        last = seen_at(warp, t);
        now = t;
      }
      now = std::max(now, at);
    }
  }
}

TEST(ClockChanges, ARateChangeIsContinuousToTheNanosecond) {
  Warp warp = changed({}, {.kind = Kind::rate, .rate = 0.3}, true, start, start + 5);
  warp = changed(warp, {.kind = Kind::rate, .rate = 7.7}, true, start + 1000 * ms, start + 1001 * ms);
  const std::int64_t at = start + 1001 * ms;
  EXPECT_LE(seen_at(warp, at) - seen_at(warp, at - 1), 1);
  EXPECT_GE(seen_at(warp, at) - seen_at(warp, at - 1), 0);
}

TEST(ClockChanges, ASlewTakesTwiceTheErrorAndEndsExactly) {
  Warp warp = changed({}, {.kind = Kind::jump, .by = 60s}, true, start, start);
  warp = changed(warp, {.kind = Kind::reset}, true, start, start + 7);
  const std::int64_t end = start + 7 + 120'000 * ms;
  EXPECT_EQ(settles_at(warp, start + 8), end);
  EXPECT_EQ(seen_at(warp, start + 7), start + 7 + 60'000 * ms);
  EXPECT_EQ(seen_at(warp, end), end);
  EXPECT_EQ(seen_at(warp, end - 2), end - 1);
  EXPECT_EQ(settles_at(warp, end), 0);
}

TEST(ClockChanges, AClockBeforeItsEpochShowsZero) {
  const Warp warp = changed({}, {.kind = Kind::jump, .by = -3600s}, true, 5, 10);
  EXPECT_EQ(seen_at(warp, 11), 0);
}

// The stub as it is mapped elsewhere, mapped here.
class LocalStub {
 public:
  LocalStub() : file_(::memfd_create("stub", MFD_CLOEXEC)) {
    EXPECT_EQ(::ftruncate(file_, sizeof(Pages)), 0);
    pages_ = static_cast<Pages*>(::mmap(nullptr, sizeof(Pages), PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0));
    std::memcpy(pages_->code, stub_code().data(), stub_code().size());
    run_ = static_cast<std::byte*>(::mmap(nullptr, sizeof(Pages), PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0));
    ::mprotect(run_, page_size, PROT_READ | PROT_EXEC);
    ::mprotect(run_ + page_size, page_size, PROT_READ);
  }
  ~LocalStub() {
    ::munmap(pages_, sizeof(Pages));
    ::munmap(run_, sizeof(Pages));
    ::close(file_);
  }
  LocalStub(const LocalStub&) = delete;
  LocalStub& operator=(const LocalStub&) = delete;

  template <class Function>
  [[nodiscard]] Function* entry(Entry which) const {
    return reinterpret_cast<Function*>(run_ + stub_offsets().entries[which]);
  }
  Pages& pages() { return *pages_; }
  // As the harness publishes.
  void publish(const Table& table) {
    Parameters& p = pages_->parameters;
    p.tables[(p.version + 1) & 1] = table;
    __atomic_store_n(&p.version, p.version + 1, __ATOMIC_RELEASE);
  }

 private:
  int file_;
  Pages* pages_;
  std::byte* run_;
};

std::int64_t true_now(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

TEST(ClockStub, PassesErrorsAndNullThrough) {
  const LocalStub stub;
  auto* gettime = stub.entry<long(clockid_t, timespec*)>(entry_clock_gettime);
  auto* gettimeofday_entry = stub.entry<long(timeval*, void*)>(entry_gettimeofday);
  auto* time_entry = stub.entry<long(std::int64_t*)>(entry_time);
  timespec t{};
  EXPECT_EQ(gettime(1000, &t), -EINVAL);
  EXPECT_EQ(gettime(CLOCK_REALTIME, nullptr), -EFAULT);
  EXPECT_EQ(gettime(-1, &t), -EINVAL);
  EXPECT_EQ(gettimeofday_entry(nullptr, nullptr), 0);
  struct timezone zone {};
  EXPECT_EQ(gettimeofday_entry(nullptr, &zone), 0);
  EXPECT_EQ(gettimeofday_entry(reinterpret_cast<timeval*>(1), nullptr), -EFAULT);
  std::int64_t seconds = 0;
  EXPECT_EQ(time_entry(&seconds), seconds);
  EXPECT_NEAR(static_cast<double>(seconds), static_cast<double>(::time(nullptr)), 2);
}

TEST(ClockStub, ShowsWhatTheHarnessComputesAndCountsReads) {
  LocalStub stub;
  Table table;
  for (Warp& warp : table.clocks) {
    const std::int64_t now = start;
    warp = changed(warp, {.kind = Kind::jump, .by = 86'400s}, false, now, now);
  }
  stub.publish(table);
  auto* gettime = stub.entry<long(clockid_t, timespec*)>(entry_clock_gettime);
  for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                                CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI}) {
    timespec t{};
    const std::int64_t before = true_now(clock);
    ASSERT_EQ(gettime(clock, &t), 0);
    const std::int64_t seen = std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    EXPECT_GE(seen, seen_at(table.clocks[clock], before)) << clock;
    EXPECT_LE(seen, seen_at(table.clocks[clock], true_now(clock))) << clock;
    EXPECT_LT(t.tv_nsec, 1'000'000'000);
    EXPECT_EQ(stub.pages().scratch.reads[clock], 1U) << clock;
  }
  timeval v{};
  (void)stub.entry<long(timeval*, void*)>(entry_gettimeofday)(&v, nullptr);
  EXPECT_NEAR(static_cast<double>(v.tv_sec), static_cast<double>(::time(nullptr) + 86'400), 2);
  EXPECT_EQ(stub.pages().scratch.reads[CLOCK_REALTIME], 2U);
}

// Tables whose every clock is wrong by a multiple of a day: a reader that mixed two would see something in between.
TEST(ClockStub, AReaderNeverSeesHalfAChange) {
  LocalStub stub;
  constexpr std::int64_t day = 86'400'000 * ms;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::int64_t i = 0; !stop; ++i) {
      Table table;
      // Only if base, offset and slope belong together the result is a multiple of a day off.
      const std::int64_t base = start + (i % 1000) * 1'000'000 * ms;
      for (Warp& warp : table.clocks) {
        warp.segments[0] = {.base = base, .offset = base - start + (i % 7) * day, .slope = -(std::int64_t{1} << 32)};
      }
      stub.publish(table);
      std::this_thread::sleep_for(1us);  // readers look a bounded number of times
    }
  });
  auto* gettime = stub.entry<long(clockid_t, timespec*)>(entry_clock_gettime);
  const auto version = [&] { return __atomic_load_n(&stub.pages().parameters.version, __ATOMIC_ACQUIRE); };
  while (version() == 0) std::this_thread::yield();
  for (int i = 0; i < 200'000; ++i) {
    timespec t{};
    EXPECT_EQ(gettime(CLOCK_REALTIME, &t), 0);
    const std::int64_t seen = std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    const std::int64_t off = seen - start;
    // Frozen at base + offset = 2 * base - start + k days.
    EXPECT_EQ(off % (2'000'000 * ms) % (400'000 * ms), 0) << off;
    if (off % (2'000'000 * ms) % (400'000 * ms) != 0) break;
  }
  stop = true;
  writer.join();
}

// A writer killed in the middle of a change leaves the table that was valid before.
TEST(ClockStub, AWriterThatDiesHalfwayLeavesAClockThatReads) {
  LocalStub stub;
  Table table;
  table.clocks[CLOCK_REALTIME].segments[0] = {.base = start, .offset = 3600'000 * ms};
  stub.publish(table);
  Parameters& p = stub.pages().parameters;
  std::memset(static_cast<void*>(&p.tables[(p.version + 1) & 1]), 0xff, sizeof(Table));
  timespec t{};
  ASSERT_EQ(stub.entry<long(clockid_t, timespec*)>(entry_clock_gettime)(CLOCK_REALTIME, &t), 0);
  EXPECT_NEAR(static_cast<double>(t.tv_sec), static_cast<double>(::time(nullptr) + 3600), 2);
}

}  // namespace
}  // namespace faultline::live::clock
