// LocalCluster: N daemons of any system on this machine, or on machines that are reached otherwise (see Machines), with the faults these
// offer: partition, packets, clogs, kill, restart, upgrade, pause, membership, clock, disk, wipe, processor.
//
// A Target builds on it: it says by callbacks how a node is started, when it is ready and whether it leads; the cluster does the rest:
// network, daemons, logs under `<run directory>/nodes/<name>/`, scratch folders, faults, healing, leftovers journal.
//
// Thread rules: every public call may come from any thread and is serialised by one lock, so that faults on a daemon cannot interleave
// (a paused node may be killed; a node that is down cannot be paused). Every call is bounded by the limits of the options; stop_waiting()
// ends waits early. The callbacks run in threads of the cluster's own that have entered the client network, several at once for
// different nodes, and must keep to the limit they are given.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/live/daemon.hpp>
#include <faultline/live/disk.hpp>
#include <faultline/live/events.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/machines.hpp>
#include <faultline/live/network.hpp>
#include <faultline/rng.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

class NodeDisk;
class RoleWatch;
class Volume;
struct ActiveDisk;

// Where one node lives. Known for all nodes before the first is started.
struct NodePlace {
  NodeName name;
  std::size_t index = 0;
  NodeAddresses addresses;
  std::filesystem::path data_directory;  // made empty by set_up(), removed by tear_down()
  std::filesystem::path log_file;        // receives stdout and stderr; stays
  std::size_t version = 0;               // which of the versions of the daemon it runs, or runs next
  bool joins = false;                    // it was added to a running cluster, rather than founding it
};

// How members come and go, for systems that can do it while they run. Each makes one attempt within the limit, asking `contact`, and
// treats what is already so as success.
struct MembershipControl {
  using Step = std::function<Result<void>(const NodePlace& contact, const NodePlace& member, Duration limit)>;

  Step remove;   // takes `member` out of the configuration
  Step add;      // takes it in without a vote; its daemon is started, empty, once this has succeeded
  Step promote;  // gives it a vote; an error as long as it is not caught up
};

// How to start a node's daemon. It must bind with SO_REUSEADDR, as servers do: its ports are reserved for it.
struct NodeSpec {
  std::vector<std::string> command;                // argv; the first is a path or found in PATH
  std::map<std::string, std::string> environment;  // in addition to the harness's own
};

// Faults of disks: calls are seen only of a daemon that was started for that, and they take some microseconds longer then.
struct DiskOptions {
  bool supervised =
      false;  // the kinds kill with a disk, crash_point, io_error, fsync_error, enospc and slow_disk may be asked for
  bool reads = false;  // and those about reads
  // Instead: each node has a file system of its own, and a power loss takes from it what the kernel has not made durable. Needs root.
  bool images = false;
  std::uint64_t seed = 0;  // of what a power loss leaves to chance
};

struct LocalClusterOptions {
  std::vector<NodeName> nodes;
  std::vector<NodeName> spares;         // further nodes, not started: a membership that grows takes one in
  std::string run_id;                   // short, [a-z0-9-]; empty: a fresh one
  std::filesystem::path run_directory;  // logs go to run_directory/nodes/<name>/daemon.log
  NetworkKind network = NetworkKind::automatic;
  MakeFramer framer;                   // how connections between nodes fall into frames; see NetworkOptions
  NetworkNeeds needs;                  // what the faults of this run ask of it
  std::shared_ptr<Machines> machines;  // where the nodes live; null: on this machine, and `network` says how
  Duration ready_limit = std::chrono::seconds(60);   // for all nodes together, in set_up and heal_all
  Duration attempt_limit = std::chrono::seconds(1);  // for one call of ready or leads
  Duration stop_grace = std::chrono::seconds(2);     // between SIGTERM and SIGKILL in tear_down
  std::size_t versions = 1;                          // of the daemon, which node_spec knows to start
  DiskOptions disks;
  Duration slew_limit =
      std::chrono::seconds(10);  // heal_all waits so long for a monotonic clock that slews, else restarts the node

  // REQUIRED. How to start `self`, one of `all`; called again for each restart (the data directory then holds what it left).
  std::function<NodeSpec(const NodePlace& self, std::span<const NodePlace> all)> node_spec;
  // REQUIRED. One attempt, within the limit, to see whether the node serves; the error says why not yet.
  std::function<Result<void>(const NodePlace& node, Duration limit)> ready;
  // One attempt, within the limit, to learn whether the node believes itself leader; no answer is false. Empty: no node ever leads.
  std::function<bool(const NodePlace& node, Duration limit)> leads;
  // How a node on this machine tells of its roles. Empty: it is asked, by `leads`.
  std::function<std::unique_ptr<RoleSource>(const NodePlace& node)> roles;
  // Without it the fault `membership` is not available.
  std::optional<MembershipControl> membership;
};

// Whether DiskOptions::images works here, by trying; the error says what is missing.
[[nodiscard]] Result<void> disk_images_work();
// Whether the kind is about packets on links: packet, clog, swizzle_clog; and whether a counter of the network tells of it.
[[nodiscard]] bool is_traffic_fault(std::string_view kind);
[[nodiscard]] bool counts_for(std::string_view kind, std::string_view counter);

class LocalCluster final : public FaultPort, public EventPort {
 public:
  explicit LocalCluster(LocalClusterOptions options);
  ~LocalCluster() override;  // tears down
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  // Opens the leftovers journal, builds the network, starts every daemon and waits until each is ready. The error names the node, its
  // log file and the last lines of it. What was built is removed by tear_down().
  Result<void> set_up();
  // Stops daemons, removes namespaces and scratch folders; logs stay. Idempotent; also after a half-done set_up().
  Result<void> tear_down();
  // Ends every wait for readiness in this cluster early, with an error; safe from any thread. For an impatient Ctrl-C.
  void stop_waiting() { stopping_ = true; }

  // See Network::enter(). For threads that will open connections to nodes.
  Result<void> enter_client_network() const;
  // Spares last. REQUIRES: set_up() came as far as building the network.
  [[nodiscard]] std::span<const NodePlace> places() const { return places_; }
  [[nodiscard]] const NodePlace& place(const NodeName& node) const;
  // How the client of a worker reaches a node. Never waits. REQUIRES: set_up() succeeded, and tear_down() was not called.
  [[nodiscard]] ClientRoute client_route(const NodeName& node, std::size_t worker) const;
  // How the nodes are connected: a sentence for Target::describe().
  [[nodiscard]] std::string network_description() const;
  // See Machines::lost().
  [[nodiscard]] std::optional<Error> lost() const {
    return options_.machines ? options_.machines->lost() : std::nullopt;
  }
  // Daemons that ended without being asked to: "n2: killed by signal 6 (SIGABRT), log …". A finding about the system under test.
  [[nodiscard]] std::vector<std::string> unexpected_exits();

  // --- FaultPort: kinds partition, packet, clog, swizzle_clog, kill, restart, upgrade, pause, membership, clock; crash_point, io_error,
  // fsync_error, enospc, slow_disk, bit_flip, truncate, wipe, pressure -------------------------------------------------------------------------
  [[nodiscard]] std::vector<NodeName> nodes() const override { return options_.nodes; }
  // Asks every running node at once; paused and killed ones do not answer.
  std::vector<NodeName> primaries() override;
  [[nodiscard]] Result<void> supports(const Fault& fault) const override;
  // partition: {"dropped_pairs":4}, and {"cut_clients":2} if it cuts clients from nodes; packet: {"affected_links":4}, with
  // {"skipped":{"duplicate":…}} where streams are all the proxy sees; clog, swizzle_clog: {"clogged_links":4}; kill:
  // {"killed":{"n1":4711}}; restart, when all of them are ready again: {"restarted":{"n1":4811}}; upgrade:
  // {"upgraded":{"n1":"/usr/bin/etcd"}}, what runs there now; pause: {"paused":{"n1":4711}}; membership:
  // {"removed":["n1"]} or {"added":["n4"]}; wipe: {"wiped":{"n1":4711}}; clock: {"skew_ms":2000,"skewed":{"n1":2000},"clock_reads":812}
  // as read in the daemons, reads within 100 ms, "unread":["n2"] for daemons that did not look, "beyond_model":true if a monotonic clock
  // steps back. Nodes that could not take the fault are listed with the reason: {"skipped":{"n2":"is down"}}; an error if none could.
  Result<Value> apply(const Fault& fault) override;
  // partition, packet, clog, swizzle_clog: the network counters of its kind since it was applied; kill: {"restarted":{"n1":4811}}; pause:
  // {"resumed":{"n1":4711}}; membership: {"returned":["n1"]} or {"left":["n4"]}; wipe: {"returned":["n1"]}; clock: {"skew_ms":…,
  // "clock_reads":…} up to then, {"healed":{"n1":0.1}} in
  // milliseconds off, and {"slewing_ms":{"n1":400}} where a monotonic clock was ahead.
  Result<Value> heal(const Fault& fault) override;
  // {"reachable_pairs":6,"running":["n1","n2","n3"],"dropped_packets":…}, plus "died":{"n2":"killed by signal 6 …"} for daemons that had
  // ended by themselves; they are started again.
  Result<Value> heal_all() override;

  // --- EventPort ---------------------------------------------------------------------------------------------------------------------
  // Frames, of a system whose frames have names, through the proxy or by the keepers of remote nodes; calls of nodes whose disks are
  // supervised; roles as the system tells of them, else leaders by asking.
  [[nodiscard]] Result<void> can_watch(const EventTrigger& trigger) const override;
  Result<void> watch(std::shared_ptr<EventBoard> board) override;

 private:
  // A fault that was applied and not healed yet.
  struct Active {
    Fault fault;
    std::vector<std::size_t> nodes;    // kill, pause, membership: those that took it
    NetworkCounters before;            // of the network
    std::vector<std::uint64_t> reads;  // clock: of each of the nodes, when it was applied
    Traffic traffic;                   // packet, clog, swizzle_clog
    std::shared_ptr<ActiveDisk> disk;  // those that are about a disk, but kill
  };
  using Indices = std::vector<std::size_t>;
  // Of a node in the system's configuration. In doubt: a change of it was begun and not confirmed.
  enum class Standing : std::uint8_t { outside, member, in_doubt };

  Result<void> build();
  Result<void> make_places();
  Result<void> make_remote_places();
  Result<void> start_daemon(std::size_t node);
  void visit(const Indices& nodes, const std::function<void(std::size_t)>& work) const;
  Result<void> wait_until_ready(const Indices& nodes);
  Result<void> wait_for_node(std::size_t node, std::chrono::steady_clock::time_point until) const;
  [[nodiscard]] Error node_error(std::size_t node, const std::string& what) const;
  [[nodiscard]] std::size_t index_of(const NodeName& node) const { return place(node).index; }
  [[nodiscard]] Indices members() const;
  [[nodiscard]] bool is_set_up() const { return network_ && !places_.empty() && daemons_.size() == places_.size(); }
  void note_exits();

  Result<Value> apply_partition(const Fault& fault);
  Result<Value> apply_to_daemons(const Fault& fault);
  Result<Value> heal_daemons(const Active& healed);
  Result<Value> apply_membership(const Fault& fault);
  Result<Value> heal_membership(const Active& healed);
  Result<Value> apply_wipe(const Fault& fault);
  Result<Value> heal_wipe(const Active& healed);
  Result<void> empty_data(std::size_t node);
  Result<void> take_out(std::size_t node);
  Result<void> bring_in(std::size_t node);
  Result<void> ask_members(const MembershipControl::Step& step, std::size_t node,
                           std::chrono::steady_clock::time_point until) const;
  Result<void> restore_founders();
  Result<void> load_grudges();
  [[nodiscard]] bool is_under(std::string_view kind, std::size_t node) const;

  // What the network can do to packets and clients; known once it is built, and read without the lock.
  struct NetworkLimits {
    Result<void> packets, copies_alone, clients;
  };
  void learn_network_limits();
  [[nodiscard]] Result<void> supports_traffic(const Fault& fault) const;
  [[nodiscard]] Result<void> supports_clients(const Fault& fault) const;
  [[nodiscard]] std::set<LinkName> links_of(const std::vector<NodeName>& nodes) const;
  [[nodiscard]] Traffic traffic_of(const Fault& fault, Instant now) const;
  Result<void> load_traffic();
  [[nodiscard]] ClientCuts client_cuts() const;
  Result<Value> apply_traffic(const Fault& fault);
  Result<Value> heal_traffic(const Active& healed);

  Result<Value> apply_clock(const Fault& fault);
  Result<Value> heal_clock(const Active& healed);
  [[nodiscard]] std::optional<Error> heal_node_clock(std::size_t node);
  Result<Value> settle_clocks();
  [[nodiscard]] std::vector<std::size_t> bent_clocks() const;
  [[nodiscard]] Result<void> clocks_can_be_bent() const;

  static bool is_restart(const Fault& fault);
  [[nodiscard]] Result<void> supports_restart(const Fault& fault) const;
  Result<void> restart_node(std::size_t node, const Fault& fault);
  [[nodiscard]] std::string running_program(std::size_t node) const;
  Result<Value> apply_restart(const Fault& fault);
  Result<Value> heal_restart(const Active& healed);
  Result<void> stop_old_versions();

  [[nodiscard]] Result<void> can_watch_frame(const FrameTrigger& trigger) const;
  [[nodiscard]] Result<void> can_watch_call(const CallTrigger& trigger) const;
  [[nodiscard]] Result<void> can_watch_role(const RoleTrigger& trigger) const;
  void watch_roles(const std::shared_ptr<EventBoard>& board);

  static bool is_about_a_disk(const Fault& fault);
  [[nodiscard]] Result<void> disks_can_be_supervised() const;
  [[nodiscard]] Result<void> images_can_lose(const Fault& fault) const;
  Result<void> make_volume(const NodePlace& place);
  Result<void> unmount_volumes();
  Result<LossReport> lose_power(std::size_t node, DiskLoss loss, Rng& rng);
  [[nodiscard]] Result<void> disks_support(const Fault& fault) const;
  Result<void> supervise_disks();
  Result<void> prepare_disk(std::size_t node, DaemonSpec& spec);
  void disk_started(std::size_t node);
  void forget_disk(std::size_t node);
  void mark_wiped(std::size_t node);
  [[nodiscard]] bool is_excused(std::size_t node) const;
  [[nodiscard]] bool may_rot(std::size_t node) const;
  Rng draws_of_next_fault();
  Result<Value> apply_disk(const Fault& fault);
  Result<Value> apply_power_loss(const Fault& fault);
  Result<Value> apply_rule(const Fault& fault);
  Result<Value> apply_rot(const Fault& fault);
  Result<std::unique_ptr<NodePressure>> press(std::size_t node, double speed);
  Result<Value> apply_pressure(const Fault& fault);
  Result<Value> heal_disk(const Active& healed);
  Result<Value> heal_rule(const Active& healed);
  Result<Value> heal_rot(const Active& healed);
  Result<Value> heal_pressure(const Active& healed);
  Result<Value> start_those_down(const Indices& nodes);
  Result<void> heal_disks();
  void release_disks();
  Result<void> bring_back_forgetful();

  LocalClusterOptions options_;
  std::vector<NodePlace> places_;
  NetworkLimits limits_;
  std::atomic<bool> stopping_{false};
  mutable std::once_flag clocks_tried_;
  mutable Result<void> clocks_work_;
  mutable std::mutex mutex_;  // guards everything below
  std::unique_ptr<Leftovers> leftovers_;
  Leftovers::Id scratch_ = 0;
  std::filesystem::path scratch_folder_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<NodeDaemon>> daemons_;   // by node
  std::vector<Standing> standings_;                    // by node
  std::vector<std::unique_ptr<ClockControl>> clocks_;  // by node
  std::vector<std::unique_ptr<NodeDisk>> disks_;       // by node
  std::unique_ptr<RoleWatch> roles_;                   // its threads ask the nodes
  std::vector<std::unique_ptr<Volume>> volumes_;       // by node; empty without images
  std::uint64_t disk_faults_ = 0;
  std::size_t version_ = 0;  // that all members run once everything is healed
  std::vector<Active> active_;
  std::vector<std::string> unexpected_exits_;
  std::map<std::size_t, pid_t> noted_exits_;  // by node: the last process whose end was noted
};

}  // namespace faultline::live
