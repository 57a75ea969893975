// A group of 3 to 7 nodes under random faults, one seed one run: messages lost, repeated, delayed and reordered;
// partitions, also of one direction; crashes that lose what was not synced, slow disks, pauses, drifting clocks;
// members added, promoted, demoted, removed, wiped and added again; transfers, snapshots, reads of every kind. Then all
// faults end, and the group must serve within 20 election timeouts.
//
// Deterministic: the same options give the same trace hash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <faultline/time.hpp>

namespace faultline::raft::test {

struct SimulatorOptions {
  std::uint64_t seed = 1;
  Duration chaos = std::chrono::seconds(4);  // T is 100 ms
  bool pre_vote = true;
  bool check_quorum = true;
  bool trace = false;  // every message and fault on stderr
};

struct SimulatorResult {
  std::vector<std::string> violations;  // of an invariant, or "L: ..." if the group did not serve in the end
  std::uint64_t trace_hash = 0;
  std::uint64_t checks = 0, committed = 0, reads = 0, lease_reads = 0, follower_reads = 0, changes = 0, transfers = 0,
                crashes = 0, rejoined = 0;
};

SimulatorResult simulate(const SimulatorOptions& options);

}  // namespace faultline::raft::test
