// CpuPressure: a daemon that gets only a part of one processor.
//
// By a cgroup of its own where we may make one (v1 or v2, usually root), else by stopping and continuing it in turns, 20 to 1000 ms long. A process
// that is started meanwhile joins. Thread rules: one owner; the turns are made in a thread of its own.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include <faultline/live/daemon.hpp>
#include <faultline/live/leftovers.hpp>

namespace faultline::live {

class CpuPressure final : public NodePressure {
 public:
  // 0 < speed <= 1, of one processor. `name`: of the node, unique in the run. The daemon must outlive it.
  static Result<std::unique_ptr<CpuPressure>> start(NodeDaemon& daemon, const std::string& name, double speed,
                                                    Leftovers& leftovers);
  // Where cgroups for it can be made; empty: nowhere, it is done in turns.
  static std::filesystem::path place();
  ~CpuPressure() override;  // as end()
  CpuPressure(const CpuPressure&) = delete;
  CpuPressure& operator=(const CpuPressure&) = delete;

  // The process the daemon has now is slowed down, too.
  Result<void> join() override;
  // How often it had to wait for its turn.
  [[nodiscard]] std::uint64_t waits() const override;
  // The daemon runs freely when it returns. Idempotent.
  Result<void> end() override;
  // "cgroup /sys/fs/cgroup/cpu/faultline-…" or "stop and continue".
  [[nodiscard]] std::string describe() const override;
  // Else in turns.
  [[nodiscard]] bool is_by_cgroup() const { return !cgroup_.empty(); }

 private:
  CpuPressure(NodeDaemon& daemon, Leftovers& leftovers) : daemon_(&daemon), leftovers_(&leftovers) {}
  Result<void> limit(const std::filesystem::path& parent, const std::string& name, double speed);
  void take_turns(double speed);

  NodeDaemon* daemon_;
  Leftovers* leftovers_;
  Leftovers::Id intent_ = 0;
  std::filesystem::path cgroup_;  // empty: in turns
  std::filesystem::path home_;    // the cgroup its processes came from
  std::atomic<std::uint64_t> turns_{0};
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace faultline::live
