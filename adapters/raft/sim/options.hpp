// What the files of this room share about a run's options.
#pragma once

#include <string_view>

#include <faultline/raft/sim/simulation.hpp>

namespace faultline::raft::sim {

// Whether the option of that name is set; false for those that always are.
bool is_given(const SimRun& run, std::string_view name);

// The nodes' names: n1 …; founders, then spares.
std::vector<NodeName> node_names(std::size_t first, std::size_t count);

}  // namespace faultline::raft::sim
