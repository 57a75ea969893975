// Simpler: the next simpler versions of a decision, the boldest first. Each is simpler in an order without end-less chains, so that
// taking one after the other comes to an end.
#pragma once

#include <faultline/schedule.hpp>

#include <optional>
#include <vector>

namespace faultline {

// The decision in a cluster without this node; nullopt if nothing of it is left.
std::optional<Decision> without_node(const Decision& decision, const NodeName& node);

// Fewer nodes, links and clients; fewer parameters; earlier triggers.
std::vector<Decision> simpler_faults(const Decision& decision);

// Shorter faults, then rounder times.
std::vector<Decision> simpler_times(const Decision& decision);

}  // namespace faultline
