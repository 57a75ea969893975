// Deployment: a daemon that the user's own commands start and stop, found by its pid file or its command line.
//
// The start command ends once the daemon runs by itself; what it says goes to the log. The processes of the daemon are those of the pid
// file's (and of its group, where it leads one), or all whose command line holds the pattern. They are told from others that get their pids
// later by their start time. Without a stop command they get SIGTERM, and SIGKILL after the grace; without a kill command SIGKILL.
//
// Thread rules: one owner. Every call is bounded: commands by a minute, waiting by 10 s.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <faultline/live/machines.hpp>

namespace faultline::live::agent {

struct DeploymentSpec {
  std::string start, stop, kill;  // for /bin/sh; the last two may be empty
  std::string pid_file, pattern;  // one of them
};

struct ShellResult {
  int status = 0;
  std::string output;  // the last 4 KiB
};
// Runs a command for /bin/sh to its end, its output appended to the log.
Result<ShellResult> run_shell(const std::string& command, const std::map<std::string, std::string>& environment,
                              const std::filesystem::path& log, Duration limit);

// The last lines of a file, at most `lines` and 4 KiB, control characters made harmless.
std::string tail_of(const std::filesystem::path& file, std::size_t lines);

class Deployment final : public NodeDaemon {
 public:
  // The journal outlives it.
  Deployment(DeploymentSpec deployment, DaemonSpec spec, Leftovers& journal);

  // `launch` is not used: the clocks of a daemon that somebody else starts are bent once it runs.
  Result<void> start(const Launch& launch) override;
  Result<void> kill() override;
  Result<void> pause() override;
  Result<void> resume() override;
  Result<void> stop(Duration grace) override;
  [[nodiscard]] State state() const override;
  [[nodiscard]] ProcessIdentity identity() const override;
  [[nodiscard]] std::string end() const override;
  [[nodiscard]] bool ended_unasked() const override;
  [[nodiscard]] const DaemonSpec& spec() const override { return spec_; }
  void set_spec(DaemonSpec spec) override { spec_ = std::move(spec); }
  [[nodiscard]] std::string log_tail(std::size_t lines) const override { return tail_of(spec_.log_file, lines); }

 private:
  // The daemon's processes now, the leader first.
  [[nodiscard]] std::vector<ProcessIdentity> find() const;
  [[nodiscard]] bool is_alive_now() const;
  Result<void> run(const std::string& command, const char* what) const;
  // Signals every process of it; 0 or the last errno.
  int signal_all(int number) const;
  Result<void> wait_until_gone(const std::vector<ProcessIdentity>& all, Duration limit) const;

  DeploymentSpec deployment_;
  DaemonSpec spec_;
  Leftovers& journal_;
  mutable ProcessIdentity leader_;
  bool asked_ = true;  // nothing runs, or it was stopped by us
  bool paused_ = false;
  std::vector<Leftovers::Id> pauses_;
};

}  // namespace faultline::live::agent
