// What the nodes wrote, on the clock of the run: from nodes/*/ of a run directory to lines that stand beside the operations.
//
// A run writes clock.json when its clock starts: {"schema":1,"began":NS,"zone_seconds":S}; began is when it stood at 0, in nanoseconds
// since 1970, and the zone what a stamp that names none is ahead of UTC. A directory without it, of an older build, has logs that
// cannot be placed: they stay files.
//
// Bounded: of each file the last 8 MiB, 64 MiB and 256 files together; what is left out is counted.
#pragma once

#include <faultline/report.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <faultline/result.hpp>

namespace faultline::cli {

struct RunClock {
  std::int64_t began = 0;
  std::int64_t zone_seconds = 0;
};

// The clock of a run that is at `now`.
RunClock run_clock(Instant now);
Result<void> write_run_clock(const std::filesystem::path& directory, const RunClock& clock);
std::optional<RunClock> read_run_clock(const std::filesystem::path& directory);

// Files of nodes/*/ whose names end in .log or .jsonl, by node and name. Empty without a clock.
std::vector<NodeLog> node_logs(const std::filesystem::path& directory, const History& history);

}  // namespace faultline::cli
