// On a machine that does not exist: nothing here touches a clock.
#include <gtest/gtest.h>

#include <set>

#include "adapters/live/agent/settable_clock.hpp"
#include "tests/adapters/live/support.hpp"

namespace faultline::live::agent {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using live::test::Folder;

struct PretendedMachine {
  Duration boot = 100s;
  Duration offset = 1000s;  // of wall to boot
  std::set<std::string> running{"chrony"};
  std::vector<std::string> told;

  MachineClock clock() {
    return {.wall = [this] { return boot + offset; },
            .since_boot = [this] { return boot; },
            .set_wall =
                [this](Duration wall) {
                  offset = wall - boot;
                  return Result<void>();
                },
            .stop_service =
                [this](const std::string& service) {
                  if (running.erase(service) == 0) return false;
                  told.push_back("stop " + service);
                  return true;
                },
            .start_service =
                [this](const std::string& service) {
                  running.insert(service);
                  told.push_back("start " + service);
                }};
  }
};

constexpr ClockChange jump{.group = ClockGroup::wall, .kind = ClockChange::Kind::jump, .by = 60s};

TEST(SettableClock, JumpsAddUpAndRestoringCountsTheTimeThatPassed) {
  const Folder folder;
  PretendedMachine machine;
  SettableClock clock(machine.clock(), folder / "machine-clock");
  ASSERT_TRUE(clock.change(jump).ok());
  machine.boot += 5s;
  ASSERT_TRUE(clock.change(jump).ok());
  EXPECT_EQ(clock.skew(), 120s);
  EXPECT_TRUE(machine.running.empty()) << "a time service would set it right";
  machine.boot += 5s;
  ASSERT_TRUE(clock.restore().ok());
  EXPECT_EQ(machine.boot + machine.offset, 1110s);
  EXPECT_EQ(machine.told, (std::vector<std::string>{"stop chrony", "start chrony"}));
  EXPECT_FALSE(fs::exists(folder / "machine-clock"));
  EXPECT_EQ(clock.skew(), 0s);
  EXPECT_TRUE(clock.restore().ok()) << "twice is once";
}

TEST(SettableClock, ItsFileRestoresItAfterACrash) {
  const Folder folder;
  PretendedMachine machine;
  {
    SettableClock clock(machine.clock(), folder / "machine-clock");
    ASSERT_TRUE(clock.change(jump).ok());
  }
  EXPECT_EQ(machine.offset, 1060s);
  const auto restored = SettableClock::restore_from(machine.clock(), folder / "machine-clock");
  ASSERT_TRUE(restored.ok());
  EXPECT_TRUE(restored.value());
  EXPECT_EQ(machine.offset, 1000s);
  EXPECT_TRUE(machine.running.contains("chrony"));
  EXPECT_FALSE(SettableClock::restore_from(machine.clock(), folder / "machine-clock").value());
}

TEST(SettableClock, NothingIsSetUnlessItsUndoIsOnDisk) {
  PretendedMachine machine;
  SettableClock clock(machine.clock(), "/nowhere/machine-clock");
  EXPECT_FALSE(clock.change(jump).ok());
  EXPECT_EQ(machine.offset, 1000s);
  EXPECT_TRUE(machine.running.contains("chrony"));
}

TEST(SettableClock, OnlyJumpsOfTheWallClockExist) {
  const Folder folder;
  PretendedMachine machine;
  SettableClock clock(machine.clock(), folder / "machine-clock");
  EXPECT_FALSE(clock.change({.group = ClockGroup::both, .kind = ClockChange::Kind::jump, .by = 60s}).ok());
  EXPECT_FALSE(clock.change({.group = ClockGroup::wall, .kind = ClockChange::Kind::freeze}).ok());
  EXPECT_EQ(machine.offset, 1000s);
}

TEST(SettableClock, ItIsRefusedInContainersAndOnTheHarnesssOwnHost) {
  const Folder folder;
  const fs::path root = folder / "root";
  fs::create_directories(root / "proc/1");
  EXPECT_TRUE(may_set_clock("boot a", "boot b", root).ok());
  const auto own = may_set_clock("boot a", "boot a", root);
  ASSERT_FALSE(own.ok());
  EXPECT_NE(own.error().message.find("the harness itself runs on this machine"), std::string::npos);
  EXPECT_FALSE(may_set_clock("", "boot b", root).ok());
  std::ofstream(root / ".dockerenv") << "";
  EXPECT_FALSE(may_set_clock("boot a", "boot b", root).ok());
  fs::remove(root / ".dockerenv");
  std::ofstream(root / "proc/1/environ") << std::string("PATH=/bin\0container=lxc\0", 24);
  const auto contained = may_set_clock("boot a", "boot b", root);
  ASSERT_FALSE(contained.ok());
  EXPECT_NE(contained.error().message.find("container"), std::string::npos);
}

}  // namespace
}  // namespace faultline::live::agent
