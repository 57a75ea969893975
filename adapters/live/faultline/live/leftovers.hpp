// Leftovers: the journal of what a harness has created or broken on this machine, so that whatever kills it, the next one can clean up.
//
// One file per run in the per-user state directory ($FAULTLINE_STATE, else $XDG_STATE_HOME/faultline, else ~/.local/state/faultline).
// The intent (what, and so how to undo it) is appended and fsynced *before* a namespace, process or folder exists; `healed` follows
// when it is gone. Of a process whose clocks are bent it holds what takes the patch out again. A lock on the file marks a live harness (its
// first line says which process); heal_leftovers() undoes the journals of dead ones. After a power loss only folders can remain: processes and namespaces end with the machine's boot.
//
// A process is identified by pid + start time + boot id, and every daemon also carries FAULTLINE_RUN=<run id> in its environment, which
// finds descendants whose parent is gone. A folder is removed only if it is empty or holds the marker file its owner put there.
//
// Format, one record a line, fields separated by tabs, tab, newline and backslash escaped: `intent ID KIND FIELD…`, `healed ID`.
// Thread rules: any thread; a lock inside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <faultline/result.hpp>

namespace faultline::live {

struct ClockUndo;

// Names one process for good, also after its pid was given to another.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat
  std::string boot_id;

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// The identity of a process that exists now; the error says that it does not.
Result<ProcessIdentity> identify(pid_t pid);
// Whether that very process still exists (a zombie does not count).
[[nodiscard]] bool is_alive(const ProcessIdentity& process);

// Eight characters of [a-z0-9], from the system's random source.
std::string fresh_run_id();

// The environment variable every daemon carries.
inline constexpr std::string_view run_variable = "FAULTLINE_RUN";

class Leftovers {
 public:
  using Id = std::uint64_t;

  // Creates the run's journal and locks it. The error names the directory and the remedy.
  static Result<std::unique_ptr<Leftovers>> open(const std::string& run_id);
  ~Leftovers();  // removes the file if everything is healed, else leaves it to heal_leftovers()
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

  // Each is on disk when it returns; only then create the thing.
  Result<Id> intend_process(const ProcessIdentity& process, std::string_view name);
  Result<Id> intend_namespace(std::string_view name);
  Result<Id> intend_folder(const std::filesystem::path& folder);
  // Of the cgroup file system; a folder that goes once no process is in it.
  Result<Id> intend_cgroup(const std::filesystem::path& folder);
  // Something will be mounted there; unmounting it is all that is left to do.
  Result<Id> intend_mount(const std::filesystem::path& folder);
  Result<Id> intend_clock(const ClockUndo& undo, std::string_view name);
  // A process that is not ours will be stopped (SIGSTOP).
  Result<Id> intend_pause(const ProcessIdentity& process, std::string_view name);
  // A table or chain of rules in the network namespace that the healer, too, is in; `tool` as for remove_filter().
  Result<Id> intend_filter(std::string_view tool, std::string_view name);
  // Work on another machine; `connection` is what a HealNode needs to get there, without secrets.
  Result<Id> intend_node(std::string_view connection, std::string_view name);
  // The thing is gone, or undone.
  void healed(Id id);

  [[nodiscard]] const std::string& run_id() const { return run_id_; }
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  Leftovers(std::string run_id, std::filesystem::path file, int descriptor);
  Result<Id> intend(std::vector<std::string> fields);

  std::string run_id_;
  std::filesystem::path file_;
  int descriptor_;
  std::mutex mutex_;  // guards everything below
  Id next_ = 1;
  std::set<Id> open_;
};

// Makes a fresh folder with the marker that allows heal_leftovers() to remove it, journaled first.
Result<Leftovers::Id> make_scratch_folder(Leftovers& journal, const std::filesystem::path& folder);

struct HealedLeftovers {
  std::vector<std::string> done;       // "killed process 4711 (n1) of run k3j2x9ab"
  std::vector<std::string> remaining;  // what could not be undone, with the reason and the remedy
};

// Finds the journals of dead harnesses of this user, undoes what they left, removes them. Idempotent; leaves live harnesses alone.
// The error: the state directory cannot be read.
Result<HealedLeftovers> heal_leftovers();

// Undoes what that run left on another machine; says what was done, nothing if there was nothing left.
using HealNode = std::function<Result<std::vector<std::string>>(const std::string& run_id, const std::string& node,
                                                                const std::string& connection)>;
// The same, also for nodes of other machines. Without it they remain.
Result<HealedLeftovers> heal_leftovers(const HealNode& heal_node);

// The directory of the journals; not created by this call.
Result<std::filesystem::path> leftovers_directory();

}  // namespace faultline::live
