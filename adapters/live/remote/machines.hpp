// The parts of RemoteMachines: daemons, clocks and network of nodes behind NodeLinks.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <faultline/live/machines.hpp>

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
  // `program`: a path on the node instead of the command's first word; may be empty. The node outlives it.
  RemoteDaemon(RemoteNode& node, InventoryTarget target, std::string program, DaemonSpec spec);

  Result<void> start(const Launch& launch) override;
  Result<void> kill() override { return change({{"do", "kill"}}); }
  Result<void> pause() override { return change({{"do", "pause"}}); }
  Result<void> resume() override { return change({{"do", "resume"}}); }
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

class RemoteNetwork final : public Network {
 public:
  // The nodes outlive it.
  RemoteNetwork(const RemoteNodes& nodes, std::vector<NodeName> names) : nodes_(nodes), names_(std::move(names)) {}

  Result<void> set_up() override;
  [[nodiscard]] const std::vector<NodeName>& nodes() const override { return names_; }
  [[nodiscard]] NodeAddresses addresses(const NodeName& node) const override;
  [[nodiscard]] std::filesystem::path name_space(const NodeName&) const override { return {}; }
  void daemon_started(const NodeName&, pid_t) override {}
  Result<void> apply(const Grudge& grudge) override;
  Result<Value> probe(Duration limit) override;
  [[nodiscard]] NetworkCounters counters() override;
  Result<void> enter() const override { return {}; }
  Result<void> tear_down() override { return {}; }
  [[nodiscard]] std::string describe() const override;

 private:
  const RemoteNodes& nodes_;
  std::vector<NodeName> names_;
  std::map<NodeName, std::set<std::size_t>> dropped_;  // as far as it is known
  std::map<NodeName, std::int64_t> packets_;           // as last heard
};

}  // namespace faultline::live::remote
