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
// `schedule`: the faults of this run; null: they are drawn. REQUIRES: settle_target() succeeded. The console outlives the target's set_up().
Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory,
                                                  const Schedule* schedule, Console& console);

}  // namespace faultline::cli
