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
// Whether faults of this run may cut clients off: those drawn of `directed`, or those of the schedule (null: none).
bool may_cut_clients(const Settings& settings, const Schedule* schedule);
// REQUIRES: settle_target() succeeded.
Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory,
                                                  bool client_links);

}  // namespace faultline::cli
