#include "cpu_pressure.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>

#include "descriptor.hpp"
#include "procfs.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

const fs::path v1_root = "/sys/fs/cgroup/cpu";
const fs::path v2_root = "/sys/fs/cgroup";

// Shorter turns cost more than they give; the kernel takes a quota of 1 ms and a period of 1 s.
constexpr std::chrono::microseconds shortest_run = std::chrono::milliseconds(1);
constexpr std::chrono::microseconds shortest_period = std::chrono::milliseconds(20);
constexpr std::chrono::microseconds longest_period = std::chrono::seconds(1);

std::chrono::microseconds period_of(double speed) {
  const auto wanted = std::chrono::duration_cast<std::chrono::microseconds>(shortest_run / speed);
  return std::clamp(wanted, shortest_period, longest_period);
}
std::chrono::microseconds run_of(double speed) {
  const auto part = std::chrono::duration_cast<std::chrono::microseconds>(period_of(speed) * speed);
  return std::max(part, shortest_run);
}

bool write_to(const fs::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return static_cast<bool>(out);
}

bool is_v2() {
  std::error_code error;
  return fs::exists(v2_root / "cgroup.controllers", error);
}

// Where a cgroup with a limit of processor time may be made; empty: nowhere.
fs::path parent_of_cgroups() {
  std::error_code error;
  if (!is_v2())
    return fs::exists(v1_root / "cpu.cfs_quota_us", error) || fs::exists(v1_root / "tasks", error) ? v1_root
                                                                                                   : fs::path();
  std::ifstream in(v2_root / "cgroup.subtree_control");
  const std::string enabled{std::istreambuf_iterator<char>(in), {}};
  if (enabled.find("cpu") == std::string::npos || ::access(v2_root.c_str(), W_OK) != 0) return {};
  return v2_root;
}

// The cgroup of a process below the root that we use.
fs::path cgroup_of(pid_t process) {
  std::istringstream lines(read_proc("/proc/" + std::to_string(process) + "/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t names = line.find(':'), path = line.find(':', names + 1);
    if (path == std::string::npos) continue;
    const std::string controllers = "," + line.substr(names + 1, path - names - 1) + ",";
    const bool wanted = is_v2() ? controllers == ",," : controllers.find(",cpu,") != std::string::npos;
    if (wanted) return (is_v2() ? v2_root : v1_root) / line.substr(path + 2);
  }
  return is_v2() ? v2_root : v1_root;
}

}  // namespace

Result<std::unique_ptr<CpuPressure>> CpuPressure::start(NodeDaemon& daemon, const std::string& name, double speed,
                                                        Leftovers& leftovers) {
  FL_ASSERT(speed > 0);
  FL_ASSERT(speed <= 1);
  std::unique_ptr<CpuPressure> pressure(new CpuPressure(daemon, leftovers));
  const fs::path parent = parent_of_cgroups();
  if (!parent.empty() && pressure->limit(parent, name, speed)) {
    if (auto joined = pressure->join(); !joined) return joined.error();
    return pressure;
  }
  try {
    pressure->thread_ = std::thread([p = pressure.get(), speed] { p->take_turns(speed); });
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  return pressure;
}

fs::path CpuPressure::place() {
  const fs::path parent = parent_of_cgroups();
  return ::access(parent.c_str(), W_OK) == 0 ? parent : fs::path();
}

CpuPressure::~CpuPressure() { (void)end().ok(); }

Result<void> CpuPressure::limit(const fs::path& parent, const std::string& name, double speed) {
  const fs::path folder = parent / ("faultline-" + leftovers_->run_id() + "-" + name);
  auto intent = leftovers_->intend_cgroup(folder);
  if (!intent) return intent.error();
  const auto period = std::to_string(period_of(speed).count()), run = std::to_string(run_of(speed).count());
  bool made = ::mkdir(folder.c_str(), 0755) == 0;
  if (made) {
    made = is_v2() ? write_to(folder / "cpu.max", run + " " + period)
                   : write_to(folder / "cpu.cfs_period_us", period) && write_to(folder / "cpu.cfs_quota_us", run);
    if (!made) ::rmdir(folder.c_str());
  }
  if (!made) {
    leftovers_->healed(intent.value());
    return Error::environment("cannot make the cgroup " + folder.string());
  }
  intent_ = intent.value();
  cgroup_ = folder;
  return {};
}

Result<void> CpuPressure::join() {
  if (cgroup_.empty() || daemon_->state() == Daemon::State::down) return {};
  const pid_t leader = daemon_->identity().pid;
  home_ = cgroup_of(leader) == cgroup_ ? home_ : cgroup_of(leader);
  std::vector<pid_t> all = group_members(leader);
  // A daemon that others started need not lead a group.
  if (std::find(all.begin(), all.end(), leader) == all.end()) all.push_back(leader);
  for (const pid_t process : all) {
    if (write_to(cgroup_ / "cgroup.procs", std::to_string(process)) || !read_stat(process)) continue;
    return Error::environment("cannot move process " + std::to_string(process) + " to " + cgroup_.string());
  }
  return {};
}

std::uint64_t CpuPressure::waits() const {
  if (cgroup_.empty()) return turns_.load();
  std::ifstream in(cgroup_ / "cpu.stat");
  std::string name;
  std::uint64_t count = 0;
  while (in >> name >> count) {
    if (name == "nr_throttled") return count;
  }
  return 0;
}

void CpuPressure::take_turns(double speed) {
  const auto run = run_of(speed), period = period_of(speed);
  while (!ends_) {
    if (daemon_->nudge(SIGSTOP)) {
      ++turns_;
      std::this_thread::sleep_for(period - run);
      daemon_->nudge(SIGCONT);
    }
    std::this_thread::sleep_for(std::max(run, shortest_run));
  }
  daemon_->nudge(SIGCONT);
}

Result<void> CpuPressure::end() {
  ends_ = true;
  if (thread_.joinable()) thread_.join();
  if (cgroup_.empty()) return {};
  constexpr auto limit = std::chrono::seconds(5);
  const auto until = Clock::now() + limit;
  while (::rmdir(cgroup_.c_str()) != 0 && errno != ENOENT) {
    const int error = errno;
    std::ifstream members(cgroup_ / "cgroup.procs");
    for (pid_t process = 0; members >> process;)
      write_to((home_.empty() ? cgroup_.parent_path() : home_) / "cgroup.procs", std::to_string(process));
    if (Clock::now() > until)
      return Error::environment("cannot remove the cgroup " + cgroup_.string() + ": " + errno_text(error));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  leftovers_->healed(intent_);
  cgroup_.clear();
  return {};
}

std::string CpuPressure::describe() const {
  return cgroup_.empty() ? "stop and continue" : "cgroup " + cgroup_.string();
}

}  // namespace faultline::live
