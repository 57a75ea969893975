// The parts of RemoteMachines: daemons, clocks, disks and network of nodes behind NodeLinks.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <faultline/live/machines.hpp>

#include "event_poll.hpp"
#include "node_link.hpp"

namespace faultline::live::remote {

// A node with its link, shared by the parts.
struct RemoteNode {
  explicit RemoteNode(LinkOptions options) : link(std::move(options)) {}

  NodeLink link;
  Json hello;
  std::string address;  // IPv4
  std::string log_file;
  bool declared = false;                           // the keeper knows what its daemon is
  std::vector<ClockChange> changes;                // of the next start
  std::map<std::string, std::string> environment;  // of every command
  // Of the daemon, as it was last heard.
  mutable std::mutex mutex;
  NodeDaemon::State state = NodeDaemon::State::down;
  ProcessIdentity identity;
  std::string end;
  bool unasked = false, bent = false;
  Duration settles{};

  void note(const Json& reply);
};
using RemoteNodes = std::vector<std::unique_ptr<RemoteNode>>;

// Runs it for each node at once; the errors of all, one a line.
Result<void> on_each(const RemoteNodes& nodes, const std::function<Result<void>(RemoteNode&)>& work);

class RemoteDaemon final : public NodeDaemon {
 public:
  // `program`: a path on the node instead of the command's first word; may be empty. `uploads`: the same for some first words. The node
  // outlives it.
  RemoteDaemon(RemoteNode& node, InventoryTarget target, std::string program,
               std::map<std::string, std::string> uploads, DaemonSpec spec);

  Result<void> start(const Launch& launch) override;
  Result<void> kill() override { return change({{"do", "kill"}}); }
  Result<void> pause() override { return change({{"do", "pause"}}); }
  Result<void> resume() override { return change({{"do", "resume"}}); }
  // Never: the turns would be the connection's, not the processor's.
  bool nudge(int) override { return false; }
  Result<void> stop(Duration grace) override { return change({{"do", "stop"}, {"grace_ns", grace.count()}}); }
  [[nodiscard]] State state() const override;
  [[nodiscard]] ProcessIdentity identity() const override;
  [[nodiscard]] std::string end() const override;
  [[nodiscard]] bool ended_unasked() const override;
  [[nodiscard]] const DaemonSpec& spec() const override { return spec_; }
  void set_spec(DaemonSpec spec) override { spec_ = std::move(spec); }
  [[nodiscard]] std::string log_tail(std::size_t lines) const override;

 private:
  Result<void> change(Json request) const;
  Result<void> request_start();

  RemoteNode& node_;
  InventoryTarget target_;
  std::string program_;
  std::map<std::string, std::string> uploads_;
  DaemonSpec spec_;
};

class RemoteClock final : public ClockControl {
 public:
  explicit RemoteClock(RemoteNode& node) : node_(node) {}

  Result<void> change(pid_t pid, const ClockChange& change) override;
  Result<void> launch(pid_t pid, const std::function<Result<void>()>& release,
                      const std::vector<ClockChange>& changes) override;
  [[nodiscard]] bool bends(pid_t pid) const override;
  Result<ClockSkew> read_back() override;
  [[nodiscard]] std::uint64_t reads(ClockGroup group) const override;
  [[nodiscard]] Duration settles_in() const override;
  Result<void> reset() override;
  Result<void> restore() override;
  void forget() override;

 private:
  Result<Json> ask(Json request) const;
  RemoteNode& node_;
};

class RemoteDisk final : public DiskControl {
 public:
  explicit RemoteDisk(RemoteNode& node);

  // The keeper does it when it is asked to start the daemon.
  Result<DiskSupervisor::ChildStep> prepare() override { return DiskSupervisor::ChildStep(); }
  void forked() override {}
  Result<DiskSupervisor::RuleId> add(DiskRule rule) override;
  Result<DiskRuleEffect> remove(DiskSupervisor::RuleId id) override;
  [[nodiscard]] Result<void> can_lose(pid_t running) const override;
  Result<LossReport> lose(DiskLoss loss, Rng& rng) override;
  Result<void> probe() override;
  void forget() override;

 private:
  RemoteNode& node_;
  EventPoll calls_;
};

class RemoteFiles final : public DiskFiles {
 public:
  explicit RemoteFiles(RemoteNode& node) : node_(node) {}

  std::optional<std::filesystem::path> pick(const std::string& glob, pid_t process, Rng& rng) override;
  Result<std::vector<FileEdit>> rot(const RotPlan& plan, const std::filesystem::path& file, Rng& rng) override;
  Result<bool> take_back(const FileEdit& edit) override;

 private:
  RemoteNode& node_;
};

class RemotePressure final : public NodePressure {
 public:
  static Result<std::unique_ptr<NodePressure>> start(RemoteNode& node, double speed);
  ~RemotePressure() override { (void)end().ok(); }
  RemotePressure(const RemotePressure&) = delete;
  RemotePressure& operator=(const RemotePressure&) = delete;

  // The keeper does it when the daemon starts.
  Result<void> join() override { return {}; }
  [[nodiscard]] std::uint64_t waits() const override;
  Result<void> end() override;
  [[nodiscard]] std::string describe() const override { return how_; }

 private:
  RemotePressure(RemoteNode& node, std::string how) : node_(node), how_(std::move(how)) {}
  RemoteNode& node_;
  std::string how_;
  bool ended_ = false;
};

// Packets are judged by the keepers, each those that reach its node. A healed link is sounded by trains of probes from one keeper to the
// other and back: clocks of machines differ, so that only their sender can time them. Where the first probes did not all come back, before any
// fault (a firewall lets only the system's own ports pass), connections to the peers' ports must do. Clients are told apart by the ports their
// connections leave from, which set_up() tries by dropping one of them for each node. Frames are seen by the keeper of the node they reach.
class RemoteNetwork final : public Network {
 public:
  // The nodes outlive it. `system`: under test, whose frames agents may know; empty: nobody knows it.
  RemoteNetwork(const RemoteNodes& nodes, std::vector<NodeName> names, NetworkNeeds needs, std::string system)
      : nodes_(nodes), names_(std::move(names)), needs_(needs), system_(std::move(system)) {}

  Result<void> set_up() override;
  [[nodiscard]] const std::vector<NodeName>& nodes() const override { return names_; }
  [[nodiscard]] NodeAddresses addresses(const NodeName& node) const override;
  [[nodiscard]] std::filesystem::path name_space(const NodeName&) const override { return {}; }
  void daemon_started(const NodeName&, pid_t) override {}
  Result<void> apply(const Grudge& grudge) override;
  Result<void> shape(const Traffic& traffic) override;
  [[nodiscard]] Result<void> can_shape(const PacketRules& rules) const override;
  Result<void> cut_clients(const ClientCuts& cuts) override;
  [[nodiscard]] Result<void> can_cut_clients() const override;
  [[nodiscard]] Result<void> can_watch_frames() const override;
  Result<void> watch(std::vector<FrameWatch> frames) override;
  [[nodiscard]] ClientRoute client_route(const NodeName& node, std::size_t worker) const override {
    return {.to = addresses(node).client, .from = {}, .ports = worker < ports_.size() ? ports_[worker] : nullptr};
  }
  // There and back.
  Result<Sounding> sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                         Duration limit) override;
  Result<Value> probe(Duration limit) override;
  [[nodiscard]] NetworkCounters counters() override;
  Result<void> enter() const override { return {}; }
  Result<void> tear_down() override;
  [[nodiscard]] std::string describe() const override;

 private:
  // Whom a node drops: nodes by position, clients by worker.
  struct Cuts {
    std::set<std::size_t> nodes, clients;
    friend bool operator==(const Cuts&, const Cuts&) = default;
  };
  [[nodiscard]] RemoteNode& node_of(const NodeName& name) const;
  Result<void> declare_filter(RemoteNode& node, const std::vector<std::string>& sources) const;
  Result<void> try_client_ports(RemoteNode& node);
  [[nodiscard]] Result<void> can_look_at_frames() const;
  Result<void> load_filter(RemoteNode& node, const Cuts& cuts);
  Result<void> load_filters();
  Result<void> probe_clients(RemoteNode& node, Duration limit);
  Result<void> shape_node(RemoteNode& node, const std::map<std::size_t, LinkFaults>& links);
  Result<void> probe_node(RemoteNode& node, Duration limit) const;
  Result<std::int64_t> probe_shaped(Duration limit);

  const RemoteNodes& nodes_;
  std::vector<NodeName> names_;
  NetworkNeeds needs_;
  std::string system_;
  std::vector<std::unique_ptr<EventPoll>> frames_;
  std::vector<std::shared_ptr<SourcePorts>> ports_;  // by worker; empty if clients are not cut off
  std::mutex mutex_;                                 // guards what follows, for threads of several nodes
  std::map<NodeName, Cuts> wanted_;
  std::map<NodeName, std::optional<Cuts>> dropped_;        // nullopt: nobody knows
  std::map<NodeName, std::set<std::size_t>> clients_cut_;  // since the last probe
  std::map<NodeName, std::int64_t> packets_;               // as last heard
  std::map<NodeName, std::int64_t> packets_tried_;         // of them, before any fault
  // By node, those that reach it, by the position of who sends them. Nullopt: nobody knows.
  std::map<NodeName, std::optional<std::map<std::size_t, LinkFaults>>> links_;
  std::map<NodeName, TrafficCounters> traffic_;  // as last heard
  std::set<LinkName> shaped_;                    // since the last probe; each pair once, in the order of names
  std::optional<Duration> baseline_;             // of a probe there and back, before any fault
};

}  // namespace faultline::live::remote
