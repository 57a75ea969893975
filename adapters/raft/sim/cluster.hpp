// Cluster: the in-tree Raft as a system under test in the simulator: N nodes, their clients, their administrator, and who watches them.
#pragma once

#include <faultline/sim/system.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "client.hpp"
#include "daemon.hpp"

namespace faultline::raft::sim {

struct ClusterOptions {
  std::size_t founders = 3;
  std::size_t spares = 0;
  HostOptions host;  // what all nodes have in common
  storage::WalOptions wal;
  ClientOptions client;
  std::uint64_t keep_revisions = 0;  // as SimRun
  bool watched = true;               // by the invariants
  bool traced = false;               // a chronicle is kept
  // Whether a node's disk was damaged; asked at each boot.
  std::function<bool(faultline::sim::NodeIndex)> is_rotten;
};

class Cluster final : public faultline::sim::System {
 public:
  explicit Cluster(ClusterOptions options);

  Result<std::unique_ptr<faultline::sim::Daemon>> boot(faultline::sim::Surroundings& surroundings) override;
  std::unique_ptr<faultline::sim::Client> client(Process process,
                                                 faultline::sim::ClientSurroundings& surroundings) override;
  void ended(faultline::sim::NodeIndex node) override;
  std::optional<faultline::sim::Violation> after_step(faultline::sim::NodeIndex node) override;
  [[nodiscard]] bool changes_members() const override { return true; }
  Result<bool> change_members(faultline::sim::MemberStep step, faultline::sim::NodeIndex contact,
                              faultline::sim::NodeIndex member) override;
  void mix(faultline::sim::Hash& hash) const override;

  // For the liveness phase: asks a node for a write of its own, and whether it has acknowledged any. No effect on one that is down.
  void ask_write(faultline::sim::NodeIndex node);
  [[nodiscard]] bool acknowledged(faultline::sim::NodeIndex node) const;

  // Null: down.
  [[nodiscard]] const RaftDaemon* daemon(faultline::sim::NodeIndex node) const { return daemons_[node]; }
  [[nodiscard]] const Invariants* invariants() const { return invariants_ ? &*invariants_ : nullptr; }
  [[nodiscard]] const Probes& probes() const { return probes_; }

 private:
  // A change of members somewhere under way.
  struct Attempt {
    faultline::sim::MemberStep step;
    faultline::sim::NodeIndex contact, member;
    RequestId id = 0;
  };
  ClusterOptions options_;
  Probes probes_;
  std::optional<Invariants> invariants_;
  std::optional<Chronicle> chronicle_;
  Setting setting_;
  std::vector<RaftDaemon*> daemons_;  // by node; the world owns them
  std::optional<Attempt> attempt_;
  std::size_t reported_ = 0;  // findings that after_step has told
};

}  // namespace faultline::raft::sim
