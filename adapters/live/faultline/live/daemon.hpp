// Daemon: one operating-system process of a system under test: started, paused, resumed, killed, stopped, and seen to be so.
//
// The child leads its own session and process group (the terminal's Ctrl-C never reaches it), appends stdout and stderr to the log
// file, may live in a network namespace, inherits no descriptor, and is killed by the kernel when the harness dies: the thread that
// forks it also waits for it, for as long as it lives, since the death signal fires when the forking *thread* ends. It executes the
// command only after its identity is in the leftovers journal. Signals go to the whole group and under a lock that reaping needs too, so
// they cannot hit a recycled pid; each effect is confirmed in /proc before the call returns. Every call is bounded (10 s).
//
// Thread rules: any thread; a lock inside.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <faultline/live/leftovers.hpp>
#include <faultline/live/machines.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

class Daemon final : public NodeDaemon {
 public:
  // `leftovers` may be null; otherwise it must outlive the daemon.
  Daemon(DaemonSpec spec, Leftovers* leftovers);
  ~Daemon() override;  // kills and reaps
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Starts it once its ports are free. REQUIRES: state() is down. Errors: no such program, port taken, log not writable …
  Result<void> start(const Launch& launch = {}) override;
  // SIGKILL to the group; returns once it is reaped. No effect if down.
  Result<void> kill() override;
  // SIGSTOP to the group; returns once every thread of it is stopped. An error if down.
  Result<void> pause() override;
  // SIGCONT; returns once no thread is stopped. No effect unless paused.
  Result<void> resume() override;
  // SIGSTOP or SIGCONT to the group, without waiting; no effect unless it runs. For a duty cycle: whoever stops it so lets it go on so.
  bool nudge(int signal) override;
  // SIGCONT + SIGTERM, and SIGKILL after the grace; returns once it is reaped. No effect if down.
  Result<void> stop(Duration grace) override;

  [[nodiscard]] State state() const override;
  // The process that runs now, or ran last; pid 0 before the first start.
  [[nodiscard]] ProcessIdentity identity() const override;
  // How the last run ended: "exited with status 1", "killed by signal 9 (Killed)"; empty while it runs.
  [[nodiscard]] std::string end() const override;
  // Whether the last run ended without kill() or stop().
  [[nodiscard]] bool ended_unasked() const override;
  [[nodiscard]] const DaemonSpec& spec() const override;
  // For the next start. REQUIRES: state() is down.
  void set_spec(DaemonSpec spec) override;
  // The last lines of the log file, at most `lines` and 4 KiB, control characters made harmless.
  [[nodiscard]] std::string log_tail(std::size_t lines = 10) const override;

 private:
  struct Run;
  Result<void> finish_start(const Launch& launch);

  mutable std::mutex mutex_;
  DaemonSpec spec_;
  Leftovers* leftovers_;
  std::shared_ptr<Run> run_;
};

}  // namespace faultline::live
