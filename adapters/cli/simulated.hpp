// What the verbs sim, replay, shrink and report share about simulated runs: from options to a run, and from its result to a run directory
// with every page.
#pragma once

#include <faultline/raft/sim/simulation.hpp>
#include <faultline/report.hpp>

#include <string>

#include "console.hpp"
#include "run_directory.hpp"
#include "scenario.hpp"
#include "settings.hpp"

namespace faultline::cli {

// The run that the options of `sim` ask for, without a seed; whatever they leave out is drawn for each seed.
Result<raft::sim::SimRun> sim_run_of(const Settings& settings);
// The same command for one seed.
std::string sim_command_line(const Settings& settings, std::uint64_t seed);

// What the pages say of it, but for its directory and command. `history` of the input points into the result.
ReportInput simulated_input(const raft::sim::SimResult& result);
// The same for a run directory.
ReportInput report_input_of(const raft::sim::SimResult& result, const RunDirectory& directory);

// The directory is of a simulated run.
bool is_simulated(const RunDirectory& directory);

// history.jsonl, schedule.json (what was done), simulation.json (the run, to be repeated exactly) and all pages.
Result<void> write_simulation(const RunDirectory& directory, const raft::sim::SimResult& result, ReportInput& input,
                              Console& console);

// 0, 1 or 2 by what was found; 3 if the run was of no use.
int exit_code_of(const raft::sim::SimResult& result);

}  // namespace faultline::cli
