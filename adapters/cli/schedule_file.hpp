// schedule.json: the faults of a run, as `run --schedule` is given them and as every run leaves them.
#pragma once

#include <faultline/schedule.hpp>

#include <filesystem>

namespace faultline::cli {

// `nodes`: those of the cluster; empty: any name will do. The error names the file.
Result<Schedule> read_schedule(const std::filesystem::path& file, const Nodes& nodes);

// The packages that ask for such faults, each once, in its order: by their names the target knows what to prepare for.
std::vector<std::string> packages_of(const Schedule& schedule);

}  // namespace faultline::cli
