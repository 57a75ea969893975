// Which system a run tests: from the settings to a Target.
#pragma once

#include <filesystem>
#include <memory>

#include <faultline/live/target.hpp>
#include <faultline/result.hpp>
#include <faultline/schedule.hpp>

#include "settings.hpp"

namespace faultline::cli {

// Fills in what depends on the target (its read path). Bad input: a read path that the target does not have.
Result<void> settle_target(Settings& settings);
// What the faults of this run ask of the network: those of the schedule, or those that may be drawn (null).
live::NetworkNeeds network_needs(const Settings& settings, const Schedule* schedule);
// REQUIRES: settle_target() succeeded.
Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory,
                                                  live::NetworkNeeds needs);

}  // namespace faultline::cli
