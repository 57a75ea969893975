// SettableClock: the clock of a whole machine, for nodes that are dedicated to tests and say so: set wrong, and right again.
//
// What is right is known from the clock since boot, which nobody can set: the offset between the two is taken before the first change. It
// is written to a file of the run's folder and synced first, so that whoever finds the file after a crash can restore it. Time
// services would correct the clock; they are stopped meanwhile and started again afterwards, those that ran.
//
// Refused in containers, whose clock is their host's, and on the machine that the harness runs on. Only jumps of the wall clock exist.
// One owner; calls are bounded.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <faultline/live/clock.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::live::agent {

// The machine as SettableClock touches it; tests put another in its place.
struct MachineClock {
  std::function<Duration()> wall, since_boot;
  std::function<Result<void>(Duration wall)> set_wall;
  std::function<bool(const std::string& service)> stop_service;  // whether it ran
  std::function<void(const std::string& service)> start_service;

  static MachineClock of_this_machine();
};

// Why this machine's clock must not be set, if it must not. `root`: where its files are seen, "" but in tests.
Result<void> may_set_clock(const std::string& boot_id, const std::string& harness_boot_id,
                           const std::filesystem::path& root = {});

class SettableClock {
 public:
  SettableClock(MachineClock machine, std::filesystem::path file)
      : machine_(std::move(machine)), file_(std::move(file)) {}

  Result<void> change(const ClockChange& change);
  // How far the wall clock is ahead.
  [[nodiscard]] Duration skew() const;
  [[nodiscard]] bool is_bent() const { return bent_; }
  // Idempotent.
  Result<void> restore();
  // Restores what the file of a process that died says. False: there is none.
  static Result<bool> restore_from(MachineClock machine, const std::filesystem::path& file);

 private:
  Result<void> begin();

  MachineClock machine_;
  std::filesystem::path file_;
  bool bent_ = false;
  Duration offset_{};  // of the right wall clock to the clock since boot
  std::vector<std::string> services_;
};

}  // namespace faultline::live::agent
