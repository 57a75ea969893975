// Relay: what an ssh connection runs on a node: brings lines of stdin to the run's keeper and its replies to stdout.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include <faultline/result.hpp>

#include "adapters/live/descriptor.hpp"
#include "node_service.hpp"

namespace faultline::live::agent {

// Connects to the keeper of a run's folder; the error says that there is none.
Result<Descriptor> connect_to_keeper(const std::filesystem::path& folder);

// Makes the run's folder and a keeper in it, which outlives this process. The error: the folder exists, or cannot be made.
Result<void> start_keeper(const NodeService::Options& options, std::chrono::milliseconds time_to_live);

// Copies until either side ends.
void relay(int keeper);

}  // namespace faultline::live::agent
