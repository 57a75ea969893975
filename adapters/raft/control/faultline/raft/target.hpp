// The in-tree Raft as a system under test: N raftd on this machine, for any user, and with spare nodes for changes of membership.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <faultline/etcd/codec.hpp>
#include <faultline/live/local_cluster.hpp>
#include <faultline/live/network.hpp>
#include <faultline/live/target.hpp>
#include <faultline/time.hpp>

namespace faultline::raft {

struct TargetOptions {
  std::size_t nodes = 3;                // named n1, n2, …
  std::size_t spares = 0;               // further ones, that a change of membership may take in
  std::filesystem::path run_directory;  // logs go to <run directory>/nodes/<name>/
  std::string run_id;                   // short, [a-z0-9-]; empty: a fresh one
  live::NetworkKind network = live::NetworkKind::automatic;
  live::NetworkNeeds needs;
  std::size_t concurrency = 1;  // process p is of worker p mod concurrency
  live::DiskOptions disks;
  std::shared_ptr<live::Machines> machines;  // where the nodes live; null: on this machine
  std::vector<NodeName> names;               // with machines: of nodes and spares, instead of n1, n2, …
  std::string binary;                        // empty: the raftd beside this program, else the one found in PATH
  std::vector<std::string> upgrades;         // further versions of it, that the fault `upgrade` goes on to
  Duration heartbeat_interval = std::chrono::milliseconds(100);
  Duration election_timeout = std::chrono::milliseconds(1000);
  std::string reads = "index";    // index, lease, local: raftd's --reads
  double max_clock_drift = 0.01;  // for lease reads
  etcd::Objects objects = etcd::Objects::values;
  bool serializable = false;  // clients ask for reads of any node's own state
  bool fsync = true;
  bool pre_vote = true;
  std::uint64_t snapshot_entries = 1000;  // small enough that a short run takes snapshots too
  Duration operation_timeout = std::chrono::seconds(5);
  Duration ready_limit = std::chrono::seconds(60);
};

std::unique_ptr<live::Target> make_target(TargetOptions options);

}  // namespace faultline::raft
