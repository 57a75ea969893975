// Files the verbs read: histories by the options of the command line, and small files whole.
#pragma once

#include <faultline/formats.hpp>
#include <faultline/schedule.hpp>

#include <filesystem>
#include <string>

#include "settings.hpp"

namespace faultline::cli {

ReadOptions read_options(const Settings& settings);

// Up to 1 GiB; the error names the file and why it cannot be read.
Result<std::string> read_file(const std::filesystem::path& path);

// A schedule of faults, of any nodes. Bad input names the file and the field.
Result<Schedule> read_schedule(const std::filesystem::path& path);

}  // namespace faultline::cli
