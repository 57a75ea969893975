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
#include <faultline/live/network.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

struct DaemonSpec {
  std::string name;                                // of the node, for messages
  std::vector<std::string> command;                // argv; the first is a path or found in PATH
  std::map<std::string, std::string> environment;  // in addition to the harness's own
  std::filesystem::path working_directory;         // empty: the harness's own
  std::filesystem::path log_file;                  // appended to
  std::filesystem::path name_space;                // path of a network namespace; empty: the harness's own
  std::vector<Endpoint> ports;                     // must be free (as seen in the namespace) before a start
  // What the child does right before it executes the command, with a descriptor that is open at the start: async-signal-safe, 0 is success.
  int (*before_exec)(int descriptor) = nullptr;
  int before_exec_descriptor = -1;
};

class Daemon {
 public:
  enum class State { down, running, paused };

  // `leftovers` may be null; otherwise it must outlive the daemon.
  Daemon(DaemonSpec spec, Leftovers* leftovers);
  ~Daemon();  // kills and reaps
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // What happens around the moment the child executes its command: gets its pid and the call that lets it go, makes that call exactly once
  // and returns its outcome.
  using Launch = std::function<Result<void>(pid_t pid, const std::function<Result<void>()>& release)>;

  // Starts it once its ports are free. REQUIRES: state() is down. Errors: no such program, port taken, log not writable …
  Result<void> start(const Launch& launch = {});
  // SIGKILL to the group; returns once it is reaped. No effect if down.
  Result<void> kill();
  // SIGSTOP to the group; returns once every thread of it is stopped. An error if down.
  Result<void> pause();
  // SIGCONT; returns once no thread is stopped. No effect unless paused.
  Result<void> resume();
  // SIGSTOP or SIGCONT to the group, without waiting; no effect unless it runs. For a duty cycle: whoever stops it so lets it go on so.
  bool nudge(int signal);
  // SIGCONT + SIGTERM, and SIGKILL after the grace; returns once it is reaped. No effect if down.
  Result<void> stop(Duration grace);

  [[nodiscard]] State state() const;
  // The process that runs now, or ran last; pid 0 before the first start.
  [[nodiscard]] ProcessIdentity identity() const;
  // How the last run ended: "exited with status 1", "killed by signal 9 (Killed)"; empty while it runs.
  [[nodiscard]] std::string end() const;
  // Whether the last run ended without kill() or stop().
  [[nodiscard]] bool ended_unasked() const;
  [[nodiscard]] const DaemonSpec& spec() const;
  // For the next start. REQUIRES: state() is down.
  void set_spec(DaemonSpec spec);
  // The last lines of the log file, at most `lines` and 4 KiB, control characters made harmless.
  [[nodiscard]] std::string log_tail(std::size_t lines = 10) const;

 private:
  struct Run;
  Result<void> finish_start(const Launch& launch);

  mutable std::mutex mutex_;
  DaemonSpec spec_;
  Leftovers* leftovers_;
  std::shared_ptr<Run> run_;
};

}  // namespace faultline::live
