#include "settable_clock.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "adapters/live/descriptor.hpp"
#include "adapters/live/procfs.hpp"
#include "adapters/live/spawn.hpp"

namespace faultline::live::agent {
namespace {

constexpr std::array<const char*, 5> time_services{"systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd"};

Duration read(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
}

Result<void> set_wall_clock(Duration wall) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
  const timespec time{.tv_sec = seconds.count(), .tv_nsec = (wall - seconds).count()};
  if (::clock_settime(CLOCK_REALTIME, &time) == 0) return {};
  return Error::environment("cannot set the clock: " + errno_text(errno), "log in as root, or set sudo = true");
}

bool systemctl(const char* verb, const std::string& service) {
  const auto done = run_command({"systemctl", verb, service}, "", "");
  return done.ok() && done.value().status == 0;
}

Result<void> write_durably(const std::filesystem::path& file, const std::string& text) {
  const Descriptor out(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const bool done = out && ::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                    ::fsync(out.get()) == 0;
  if (done) return {};
  return Error::environment("cannot write " + file.string() + ": " + errno_text(errno));
}

}  // namespace

MachineClock MachineClock::of_this_machine() {
  return {.wall = [] { return read(CLOCK_REALTIME); },
          .since_boot = [] { return read(CLOCK_BOOTTIME); },
          .set_wall = set_wall_clock,
          .stop_service =
              [](const std::string& service) { return systemctl("is-active", service) && systemctl("stop", service); },
          .start_service = [](const std::string& service) { systemctl("start", service); }};
}

Result<void> may_set_clock(const std::string& boot_id, const std::string& harness_boot_id,
                           const std::filesystem::path& root) {
  if (boot_id.empty() || boot_id == harness_boot_id) {
    return Error::environment("its clock must not be set: the harness itself runs on this machine",
                              "leave out settable-clock; the daemon's own view of its clocks is then bent");
  }
  std::error_code ignored;
  bool contained = std::filesystem::exists(root / ".dockerenv", ignored) ||
                   std::filesystem::exists(root / "run/.containerenv", ignored) ||
                   std::filesystem::exists(root / "run/systemd/container", ignored);
  const std::string environment = '\0' + read_proc((root.empty() ? "" : root.string()) + "/proc/1/environ");
  contained = contained || environment.find(std::string("\0container=", 11)) != std::string::npos;
  if (!contained) return {};
  return Error::environment("its clock must not be set: it is a container, whose clock is its host's",
                            "leave out settable-clock; the daemon's own view of its clocks is then bent");
}

Result<void> SettableClock::begin() {
  if (bent_) return {};
  offset_ = machine_.wall() - machine_.since_boot();
  std::vector<std::string> running;
  for (const char* service : time_services) {
    if (machine_.stop_service(service)) running.emplace_back(service);
  }
  std::string text = std::to_string(offset_.count()) + "\n";
  for (const auto& service : running) text += service + "\n";
  if (auto written = write_durably(file_, text); !written) {
    for (const auto& service : running) machine_.start_service(service);
    return written;
  }
  services_ = std::move(running);
  bent_ = true;
  return {};
}

Result<void> SettableClock::change(const ClockChange& change) {
  if (change.group != ClockGroup::wall || change.kind != ClockChange::Kind::jump) {
    return Error::environment("a machine's clock can only be set: the fault must be a jump of the wall clock",
                              "leave out settable-clock for other changes");
  }
  if (auto begun = begin(); !begun) return begun;
  return machine_.set_wall(machine_.wall() + change.by);
}

Duration SettableClock::skew() const {
  return bent_ ? machine_.wall() - machine_.since_boot() - offset_ : Duration::zero();
}

Result<void> SettableClock::restore() {
  if (!bent_) return {};
  if (auto set = machine_.set_wall(machine_.since_boot() + offset_); !set) return set;
  for (const auto& service : services_) machine_.start_service(service);
  services_.clear();
  bent_ = false;
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
  return {};
}

Result<bool> SettableClock::restore_from(MachineClock machine, const std::filesystem::path& file) {
  std::ifstream in(file);
  std::int64_t offset = 0;
  if (!(in >> offset)) return false;
  SettableClock clock(std::move(machine), file);
  clock.offset_ = Duration(offset);
  clock.bent_ = true;
  for (std::string service; in >> service;) clock.services_.push_back(service);
  if (auto restored = clock.restore(); !restored) return restored.error();
  return true;
}

}  // namespace faultline::live::agent
