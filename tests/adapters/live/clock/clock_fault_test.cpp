#include <faultline/live/clock.hpp>

#include <cmath>

#include "support.hpp"

namespace faultline::live {
namespace {

using test::attached;
using test::Target;
using namespace std::chrono_literals;
using Kind = ClockChange::Kind;

// The answer of `read` travels a moment before we look at the true clock.
constexpr double near = 200;

TEST(ClockFault, AJumpOfWallMovesEveryWallClockAndNoOther) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::wall, .kind = Kind::jump, .by = 3600s}).ok());
  const auto skews = target.skews();
  ASSERT_EQ(skews.size(), 9U);
  for (const std::size_t wall : {0U, 2U, 4U, 8U}) EXPECT_NEAR(skews[wall], 3600e3, near) << wall;
  EXPECT_NEAR(skews[3], 3600e3, near + 1000) << "time() has whole seconds";
  for (const std::size_t mono : {1U, 5U, 6U, 7U}) EXPECT_NEAR(skews[mono], 0, near) << mono;
  const auto read = fault.read_back();
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_NEAR(test::milliseconds(read.value().wall), 3600e3, 1);
  EXPECT_NEAR(test::milliseconds(read.value().mono), 0, 1);
  EXPECT_GE(fault.reads().wall, 5U);
  ASSERT_TRUE(fault.restore().ok());
  for (const double skew : target.skews()) EXPECT_NEAR(skew, 0, near + 1000);
}

TEST(ClockFault, MonoAndWallBendApartOrTogether) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::mono, .kind = Kind::jump, .by = 100s}).ok());
  auto skews = target.skews();
  for (const std::size_t mono : {1U, 5U, 6U, 7U}) EXPECT_NEAR(skews[mono], 100e3, near) << mono;
  for (const std::size_t wall : {0U, 2U, 4U, 8U}) EXPECT_NEAR(skews[wall], 0, near) << wall;
  ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::jump, .by = -20s}).ok());
  skews = target.skews();
  EXPECT_NEAR(skews[1], 80e3, near);
  EXPECT_NEAR(skews[0], -20e3, near);
  EXPECT_TRUE(fault.read_back().ok());
}

TEST(ClockFault, ASlowClockFallsBehindAndAFrozenOneStands) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::rate, .rate = 0.25}).ok());
  const std::int64_t begin = test::true_clock(CLOCK_MONOTONIC);
  std::this_thread::sleep_for(400ms);
  const auto slow = fault.read_back();
  ASSERT_TRUE(slow.ok()) << slow.error().message;
  const double passed = static_cast<double>(test::true_clock(CLOCK_MONOTONIC) - begin) / 1e6;
  EXPECT_NEAR(test::milliseconds(slow.value().mono), -0.75 * passed, 20);
  EXPECT_NEAR(test::milliseconds(slow.value().wall), -0.75 * passed, 20);
  ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::freeze}).ok());
  const std::string first = target.ask("read");
  std::this_thread::sleep_for(50ms);
  const std::string second = target.ask("read");
  EXPECT_EQ(first.substr(0, first.find(' ')), second.substr(0, second.find(' ')));
  EXPECT_TRUE(fault.read_back().ok());
}

TEST(ClockFault, AStrobeBeatsByItself) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::wall, .kind = Kind::strobe, .by = 1000s, .period = 5ms}).ok());
  int high = 0;
  int low = 0;
  for (int look = 0; look < 1000 && (high < 20 || low < 20); ++look) {
    const double skew = target.skews()[0];
    const bool is_high = skew > 500e3;
    ++(is_high ? high : low);
    EXPECT_NEAR(skew, is_high ? 1000e3 : 0, near);
  }
  EXPECT_GE(high, 20);
  EXPECT_GE(low, 20);
  ASSERT_TRUE(fault.set({.group = ClockGroup::wall, .kind = Kind::reset}).ok());
  EXPECT_NEAR(target.skews()[0], 0, near);
}

TEST(ClockFault, ResetHealsWallAtOnceAndMonoBySlewing) {
  Target target({"1"});
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::jump, .by = 300ms}).ok());
  ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::reset}).ok());
  EXPECT_GT(fault.settles_in(), 400ms);
  EXPECT_LE(fault.settles_in(), 600ms);
  auto read = fault.read_back();
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_NEAR(test::milliseconds(read.value().wall), 0, 1);
  EXPECT_GT(test::milliseconds(read.value().mono), 100);
  std::this_thread::sleep_for(fault.settles_in() + 1ms);
  read = fault.read_back();
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_NEAR(test::milliseconds(read.value().mono), 0, 1);
  EXPECT_EQ(fault.settles_in(), Duration::zero());
  ASSERT_TRUE(fault.set({.group = ClockGroup::mono, .kind = Kind::freeze}).ok());
  std::this_thread::sleep_for(20ms);
  ASSERT_TRUE(fault.set({.group = ClockGroup::mono, .kind = Kind::reset}).ok());
  EXPECT_EQ(fault.settles_in(), Duration::zero()) << "a clock that is behind may step forward";
  EXPECT_EQ(target.stats()["backward"], 0U) << "no thread ever saw a monotonic clock step back";
}

TEST(ClockFault, RefusesChangesOutOfRange) {
  EXPECT_FALSE(check_change({.kind = Kind::rate, .rate = -0.1}).ok());
  EXPECT_FALSE(check_change({.kind = Kind::rate, .rate = std::nan("")}).ok());
  EXPECT_FALSE(check_change({.kind = Kind::strobe, .by = 1s, .period = 0s}).ok());
  EXPECT_FALSE(check_change({.kind = Kind::jump, .by = std::chrono::hours(24 * 365 * 11)}).ok());
  EXPECT_TRUE(check_change({.kind = Kind::rate, .rate = 0}).ok());
}

TEST(ClockFault, ReadsAreCountedAndOurOwnAreNot) {
  Target idle;
  idle.expect_ready();
  ClockFault fault = attached(idle.pid());
  std::this_thread::sleep_for(100ms);
  ASSERT_TRUE(fault.read_back().ok());
  EXPECT_EQ(fault.reads().wall, 0U) << "a process that never looks";
  EXPECT_EQ(fault.reads().mono, 0U);
  (void)idle.ask("read");
  EXPECT_EQ(fault.reads().wall, 5U);
  EXPECT_EQ(fault.reads().mono, 4U);
}

TEST(ClockFault, AForkInheritsTheClocksAndFollowsThem) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.kind = Kind::jump, .by = 500s}).ok());
  EXPECT_NEAR(target.skews("fork")[0], 500e3, near);
  const auto child = static_cast<pid_t>(std::stol(target.ask("child")));
  const auto reads_of_parent = fault.reads().wall;
  std::this_thread::sleep_for(50ms);
  EXPECT_GT(fault.reads().wall, reads_of_parent) << "the child, whose pages are the same, looks all the time";
  ASSERT_TRUE(fault.restore().ok());
  ::kill(child, SIGKILL);
}

TEST(ClockFault, AnExecDropsTheClocksWhichIsNoticed) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.kind = Kind::jump, .by = 500s}).ok());
  EXPECT_EQ(target.ask("exec"), "ready");
  EXPECT_NEAR(target.skews()[0], 0, near);
  const auto read = fault.read_back();
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("executed another program"), std::string::npos);
  EXPECT_TRUE(fault.restore().ok());
  ClockFault again = attached(target.pid());
  ASSERT_TRUE(again.set({.kind = Kind::jump, .by = 500s}).ok());
  EXPECT_NEAR(target.skews()[0], 500e3, near);
}

TEST(ClockFault, ADaemonStartsWithItsClocksBent) {
  int gate[2];
  ASSERT_EQ(::pipe2(gate, O_CLOEXEC), 0);
  Target target({"0"}, [&](const std::function<void()>& execute) {
    char go = 0;
    if (::read(gate[0], &go, 1) == 1) execute();
  });
  ClockUndo noted;
  auto fault = ClockFault::attach_at_exec(
      target.pid(),
      [&]() -> Result<void> {
        EXPECT_EQ(::write(gate[1], "!", 1), 1);
        return {};
      },
      [&](const ClockUndo& undo) {
        noted = undo;
        return Result<void>();
      },
      {{.group = ClockGroup::both, .kind = Kind::jump, .by = 77s}});
  ASSERT_TRUE(fault.ok()) << fault.error().to_string();
  EXPECT_EQ(noted.pid, target.pid());
  target.expect_ready();
  EXPECT_NEAR(target.skews()[0], 77e3, near);
  EXPECT_NEAR(target.skews()[1], 77e3, near);
  ASSERT_TRUE(fault.value().restore().ok());
  EXPECT_NEAR(target.skews()[0], 0, near);
  ::close(gate[0]);
  ::close(gate[1]);
}

TEST(ClockFault, ADaemonThatCannotExecuteSaysSo) {
  int gate[2];
  ASSERT_EQ(::pipe2(gate, O_CLOEXEC), 0);
  Target target({"0"}, [&](const std::function<void()>&) {
    char go = 0;
    (void)!::read(gate[0], &go, 1);
  });
  const auto fault = ClockFault::attach_at_exec(
      target.pid(), [&]() -> Result<void> { return Error::environment("no such program"); }, test::no_journal, {});
  ASSERT_FALSE(fault.ok());
  EXPECT_EQ(fault.error().message, "no such program");
  ::close(gate[0]);
  ::close(gate[1]);
}

TEST(ClockFault, AnErrorOfTheJournalLeavesTheProcessAsItIs) {
  Target target;
  target.expect_ready();
  const auto fault = ClockFault::attach(
      target.pid(), [](const ClockUndo&) -> Result<void> { return Error::environment("disk full"); });
  ASSERT_FALSE(fault.ok());
  EXPECT_EQ(fault.error().message, "disk full");
  EXPECT_NEAR(target.skews()[0], 0, near);
}

// Threads come and go, signals arrive, registers are checked; the last threads sleep in system calls that must go on.
TEST(ClockFault, ThreeHundredCyclesLeaveABusyProcessUnharmed) {
  Target target({"3", "churn"});
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  for (int cycle = 0; cycle < 300; ++cycle) {
    ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::jump, .by = 3ms}).ok());
    const auto read = fault.read_back();
    ASSERT_TRUE(read.ok()) << cycle << ": " << read.error().to_string();
    ASSERT_NEAR(test::milliseconds(read.value().wall), 3, 1);
    // The test's own clock is right again only by a step back, which is what the target would notice: let it slew.
    ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::reset}).ok());
    while (fault.settles_in() > Duration::zero()) std::this_thread::sleep_for(1ms);
    const auto restored = fault.restore();
    ASSERT_TRUE(restored.ok()) << cycle << ": " << restored.error().to_string();
    const auto again = fault.reattach(test::no_journal);
    ASSERT_TRUE(again.ok()) << cycle << ": " << again.error().to_string();
    if (cycle % 50 == 0) {
      EXPECT_LT(std::stol(target.ask("wait")), 2'000'000'000) << "a sleep in the kernel goes on";
    }
  }
  ASSERT_TRUE(fault.restore().ok());
  auto stats = target.stats();
  EXPECT_EQ(stats["corrupt"], 0U);
  EXPECT_EQ(stats["backward"], 0U);
  EXPECT_GT(stats["loops"], 0U);
  EXPECT_GT(stats["signals"], 0U);
  EXPECT_GT(stats["threads"], 0U);
}

TEST(ClockFault, AStoppedProcessCanBeBentAndRestored) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.kind = Kind::jump, .by = 9s}).ok());
  ::kill(target.pid(), SIGSTOP);
  ASSERT_TRUE(fault.restore().ok());
  ::kill(target.pid(), SIGCONT);
  EXPECT_NEAR(target.skews()[0], 0, near);
}

TEST(ClockFault, TheMachinesOwnClocksAreNeverTouched) {
  const std::int64_t apart = test::true_clock(CLOCK_REALTIME) - test::true_clock(CLOCK_MONOTONIC_RAW);
  Target target;
  target.expect_ready();
  Target other;
  other.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::both, .kind = Kind::jump, .by = 1h}).ok());
  EXPECT_NEAR(other.skews()[0], 0, near);
  EXPECT_NEAR(static_cast<double>(test::true_clock(CLOCK_REALTIME) - test::true_clock(CLOCK_MONOTONIC_RAW)),
              static_cast<double>(apart), 1e9);
}

}  // namespace
}  // namespace faultline::live
