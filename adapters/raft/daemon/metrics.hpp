// What /metrics and /debug/raft show.
#pragma once

#include <string>

#include "node.hpp"

namespace faultline::raft::daemon {

// Prometheus text format.
std::string metrics_text(const Host& host, const DiskStats& disk);
// One JSON object: the core's status, members and followers, and the hash of the state at the applied index.
std::string debug_text(const Host& host, const DiskStats& disk);

}  // namespace faultline::raft::daemon
