// Machines: what a LocalCluster needs of the machines its nodes live on, where that is not this one: their network, a place for data and
// log, daemons, their clocks and disks. Also the ports that a local and a remote node share: NodeDaemon, ClockControl, DiskControl, DiskFiles
// and NodePressure.
//
// Owned by the cluster's options; used under the cluster's lock, except that NodeDaemon may be used from any thread. Every call is
// bounded. Errors name the node. A node that cannot be reached any more is *lost*: its calls fail at once, what it was last known to be
// is what it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/live/clock.hpp>
#include <faultline/live/disk.hpp>
#include <faultline/live/file_rot.hpp>
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

// One daemon of a node. See Daemon for what each call promises.
struct NodeDaemon {
  enum class State { down, running, paused };
  // What happens around the moment the child executes its command: gets its pid and the call that lets it go, makes that call exactly once
  // and returns its outcome. Of a remote daemon the pid is 0.
  using Launch = std::function<Result<void>(pid_t pid, const std::function<Result<void>()>& release)>;

  virtual ~NodeDaemon() = default;
  virtual Result<void> start(const Launch& launch) = 0;
  virtual Result<void> kill() = 0;
  virtual Result<void> pause() = 0;
  virtual Result<void> resume() = 0;
  virtual bool nudge(int signal) = 0;
  virtual Result<void> stop(Duration grace) = 0;
  [[nodiscard]] virtual State state() const = 0;
  [[nodiscard]] virtual ProcessIdentity identity() const = 0;
  [[nodiscard]] virtual std::string end() const = 0;
  [[nodiscard]] virtual bool ended_unasked() const = 0;
  [[nodiscard]] virtual const DaemonSpec& spec() const = 0;
  virtual void set_spec(DaemonSpec spec) = 0;
  [[nodiscard]] virtual std::string log_tail(std::size_t lines) const = 0;
};

// The clocks of a node's daemon, across its restarts. See NodeClock.
struct ClockControl {
  virtual ~ClockControl() = default;
  // Patches the process unless it is patched already, and makes the change.
  virtual Result<void> change(pid_t pid, const ClockChange& change) = 0;
  // A NodeDaemon::Launch that makes the changes before the first instruction of the daemon.
  virtual Result<void> launch(pid_t pid, const std::function<Result<void>()>& release,
                              const std::vector<ClockChange>& changes) = 0;
  // Whether the process with this pid is patched.
  [[nodiscard]] virtual bool bends(pid_t pid) const = 0;
  // REQUIRES: bends(). See ClockFault.
  virtual Result<ClockSkew> read_back() = 0;
  // How often the daemon read the clocks of the group.
  [[nodiscard]] virtual std::uint64_t reads(ClockGroup group) const = 0;
  [[nodiscard]] virtual Duration settles_in() const = 0;
  // Wall is right at once; mono steps forward, or slews until it is.
  virtual Result<void> reset() = 0;
  // Takes the patch out.
  virtual Result<void> restore() = 0;
  // The process has ended.
  virtual void forget() = 0;
};

// The disk of a node's supervised daemon, across its restarts. See DiskSupervisor.
struct DiskControl {
  virtual ~DiskControl() = default;
  // Before each start: what the child has to do, if anything.
  virtual Result<DiskSupervisor::ChildStep> prepare() = 0;
  virtual void forked() = 0;
  // Of a crash point of a remote daemon `crash` is not called: the daemon is killed there.
  virtual Result<DiskSupervisor::RuleId> add(DiskRule rule) = 0;
  virtual Result<DiskRuleEffect> remove(DiskSupervisor::RuleId id) = 0;
  [[nodiscard]] virtual Result<void> can_lose(pid_t running) const = 0;
  virtual Result<LossReport> lose(DiskLoss loss, Rng& rng) = 0;
  virtual Result<void> probe() = 0;
  virtual void forget() = 0;
};

// The files of a node's data directory. See file_rot.hpp.
struct DiskFiles {
  virtual ~DiskFiles() = default;
  virtual std::optional<std::filesystem::path> pick(const std::string& glob, pid_t process, Rng& rng) = 0;
  // REQUIRES: the daemon is down. The error says what could not be changed.
  virtual Result<std::vector<FileEdit>> rot(const RotPlan& plan, const std::filesystem::path& file, Rng& rng) = 0;
  virtual Result<bool> take_back(const FileEdit& edit) = 0;
};

// A daemon that gets only a part of a processor. See CpuPressure.
struct NodePressure {
  virtual ~NodePressure() = default;  // as end()
  virtual Result<void> join() = 0;
  [[nodiscard]] virtual std::uint64_t waits() const = 0;
  virtual Result<void> end() = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

struct NodePlace;

struct Machines {
  virtual ~Machines() = default;
  // Reaches every one of these nodes and readies it for the run; what is made there is journaled first, and undone by close().
  virtual Result<void> open(const std::vector<NodeName>& nodes, const std::string& run_id, Leftovers& journal) = 0;
  virtual std::unique_ptr<Network> make_network(const std::vector<NodeName>& nodes, const NetworkNeeds& needs) = 0;
  // Fills in the folders of the place, which lie on its node, and makes them.
  virtual Result<void> prepare(NodePlace& place) = 0;
  // REQUIRES: prepare() succeeded for its node, and the network is set up.
  virtual std::unique_ptr<NodeDaemon> make_daemon(DaemonSpec spec) = 0;
  virtual std::unique_ptr<ClockControl> make_clock(const NodeName& node) = 0;
  // From now on the node's daemon is started supervised. REQUIRES: prepare() succeeded for its node.
  virtual Result<std::unique_ptr<DiskControl>> supervise_disk(const NodeName& node, std::uint64_t seed, bool reads) = 0;
  virtual std::unique_ptr<DiskFiles> make_files(const NodeName& node) = 0;
  virtual Result<std::unique_ptr<NodePressure>> press(const NodeName& node, double speed) = 0;
  // Whether the machines, whatever the system on them, can take the fault.
  [[nodiscard]] virtual Result<void> supports(const Fault& fault) const = 0;
  // Empties the data directory. REQUIRES: the node's daemon is down.
  virtual Result<void> empty_data(const NodePlace& place) = 0;
  // Says which node is lost, once one is: the run cannot go on. Never waits. REQUIRES: not while open() or close() is under way.
  [[nodiscard]] virtual std::optional<Error> lost() const = 0;
  // Fetches the logs into `logs`/<node>/, removes what was made. Idempotent; also after a half-done open().
  virtual Result<void> close(const std::filesystem::path& logs) = 0;
};

}  // namespace faultline::live
