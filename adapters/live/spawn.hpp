// spawn: fork and exec, with a gate in between at which the child waits until its parent has written down that it exists.
//
// Between fork and exec the child makes only async-signal-safe calls: other threads of the harness may have held any lock at the fork.
// The kernel kills the child when the *thread* that called spawn() ends, so that thread must wait for it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include "descriptor.hpp"

namespace faultline::live {

struct SpawnPlan {
  std::vector<std::string> command;                // argv; the first is a path or found in PATH
  std::map<std::string, std::string> environment;  // in addition to the harness's own
  std::string working_directory;                   // empty: the harness's own
  int input = -1;                                  // -1: /dev/null; the same for the next two
  int output = -1;
  int errors = -1;
  int name_space = -1;  // descriptor of a network namespace; -1: the calling thread's
  // What the child does right before it executes the command: async-signal-safe; other than 0 is an errno's failure. Its argument is a
  // descriptor, which the command does not inherit.
  int (*before_exec)(int descriptor) = nullptr;
  int before_exec_descriptor = -1;
};

// A child at the gate. Dropping it without release() makes the child exit (it still has to be reaped).
class GatedChild {
 public:
  GatedChild(pid_t pid, Descriptor gate, Descriptor failure, std::string program)
      : pid_(pid), gate_(std::move(gate)), failure_(std::move(failure)), program_(std::move(program)) {}

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Lets it execute the command; waits until it did, or says why it could not (it has then exited).
  Result<void> release();

 private:
  pid_t pid_;
  Descriptor gate_;
  Descriptor failure_;
  std::string program_;
};

Result<GatedChild> spawn(const SpawnPlan& plan);

// The absolute path of a program: as given if it holds a slash, else from PATH and then the system's own directories.
Result<std::string> find_program(const std::string& name);

struct CommandResult {
  int status = 0;      // exit status, or 128 + signal
  std::string output;  // at most 1 MiB of each
  std::string errors;
};

// Runs a command to its end with `input` as stdin, killing it at the limit. A status other than 0 is not an error.
// `name_space`: path of a network namespace to run it in; empty: the calling thread's.
Result<CommandResult> run_command(const std::vector<std::string>& command, const std::string& input,
                                  const std::string& name_space, Duration limit = std::chrono::seconds(10));
// The same, and a status other than 0 is an error that quotes what the command said. Returns its output.
Result<std::string> run_checked(const std::vector<std::string>& command, const std::string& input,
                                const std::string& name_space);

// Runs `work` in a thread of its own inside a network namespace, to its end.
Result<void> run_in_namespace(const std::string& name_space, const std::function<void()>& work);

}  // namespace faultline::live
