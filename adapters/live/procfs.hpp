// What /proc says about processes. Everything here may be out of date when it returns; callers hold what keeps it true.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace faultline::live {

struct ProcessStat {
  char state = '?';  // R, S, D, T (stopped), t (traced), Z, X
  pid_t parent = 0;
  pid_t group = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot
};

// nullopt: there is no such process (or /proc is not readable).
std::optional<ProcessStat> read_stat(pid_t pid);

// The states of all its threads, e.g. "SSST"; empty if it is gone.
std::string thread_states(pid_t pid);

// Every process, in ascending order.
std::vector<pid_t> all_processes();
// Members of a process group that are not zombies.
std::vector<pid_t> group_members(pid_t group);
// Live processes whose environment holds exactly `NAME=value`, as far as this user may see.
std::vector<pid_t> processes_with_environment(const std::string& assignment);

// The text of a file of /proc; what could be read of it if its process ends meanwhile.
std::string read_proc(const std::string& path);

// Random per boot; empty if unreadable.
std::string boot_id();

}  // namespace faultline::live
