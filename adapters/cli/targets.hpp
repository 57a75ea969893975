// Which system a run tests: from the settings to a Target.
#pragma once

#include <filesystem>
#include <memory>

#include <faultline/live/target.hpp>
#include <faultline/result.hpp>

#include "settings.hpp"

namespace faultline::cli {

// Fills in what depends on the target (its read path; of redis: one node, and no partitions unless asked for). Bad input: a read path, fsync
// policy or workload that the target does not have.
Result<void> settle_target(Settings& settings);
// REQUIRES: settle_target() succeeded.
Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory);

}  // namespace faultline::cli
