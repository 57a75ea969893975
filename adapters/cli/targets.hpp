// Which system a run tests: from the settings to a Target.
#pragma once

#include <filesystem>
#include <memory>

#include <faultline/live/target.hpp>
#include <faultline/result.hpp>
#include <faultline/schedule.hpp>

#include "console.hpp"
#include "settings.hpp"

namespace faultline::cli {

// Fills in what depends on the target (its read path; of redis: one node, and no partitions unless asked for) and on the inventory (how
// many nodes). Bad input: a read path, fsync policy or workload that the target does not have; an inventory that is wrong, or too small.
Result<void> settle_target(Settings& settings);
// What the faults of this run ask of the network: those of the schedule, or those that may be drawn (null).
live::NetworkNeeds network_needs(const Settings& settings, const Schedule* schedule);
// REQUIRES: settle_target() succeeded. The console outlives the target's set_up().
Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory,
                                                  live::NetworkNeeds needs, Console& console);

}  // namespace faultline::cli
