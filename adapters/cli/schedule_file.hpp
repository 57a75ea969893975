// schedule.json: the faults of a run, as `run --schedule` is given them and as every run leaves them.
#pragma once

#include <faultline/schedule.hpp>

#include <filesystem>

namespace faultline::cli {

// `nodes`: those of the cluster; empty: any name will do. The error names the file.
Result<Schedule> read_schedule(const std::filesystem::path& file, const Nodes& nodes);

// The kinds of fault it has, each once, in its order.
std::vector<std::string> kinds_of(const Schedule& schedule);

}  // namespace faultline::cli
