// What a run's reports say of the run, and the second half of `run`, which `report` repeats from a run directory.
#pragma once

#include <faultline/report.hpp>

#include <filesystem>
#include <map>
#include <string>

#include "console.hpp"
#include "progress_file.hpp"
#include "run_directory.hpp"
#include "settings.hpp"

namespace faultline::cli {

RunInfo run_info(const std::filesystem::path& directory, const Settings& settings, const History& history,
                 const std::map<std::string, std::string>& versions);

// The model that judges a workload.
std::string model_of(std::string_view workload);

// Judges the recorded history, writes schedule.json and all pages, prints the result; returns the exit code. `progress`, of a run that is
// going on, is told how far the search is. An input that says it was interrupted stays so.
// REQUIRES: input.run is filled in.
int judge_run(const RunDirectory& directory, ReportInput& input, const Settings& settings, Console& console,
              ProgressFile* progress = nullptr);

}  // namespace faultline::cli
