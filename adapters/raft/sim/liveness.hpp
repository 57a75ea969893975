// The liveness phase: a quorum core whose world is whole must converge, whatever goes on outside for good.
//
// Drawn at random among the nodes that no disk fault has touched, as small as a quorum of every configuration in force allows. Converged: a
// write asked after the draw is acknowledged by a core node, all core nodes have applied what any of them had applied then, those at the same
// index with the same state, and no new term has begun among them for five election timeouts.
//
// Excused, and said so: no clean quorum is left; a core node refuses to start; the system was told to do without what makes it live (pre-vote,
// CheckQuorum, fsync).
#pragma once

#include <faultline/raft/sim/simulation.hpp>
#include <faultline/sim/sim_world.hpp>

#include "cluster.hpp"

namespace faultline::raft::sim {

// Drives the world until the core has converged or the bound has passed.
Liveness check_liveness(faultline::sim::SimWorld& world, Cluster& cluster, const SimRun& run, Rng rng);

// The bound: after the last fault inside the core.
Duration liveness_bound(const SimRun& run);

}  // namespace faultline::raft::sim
