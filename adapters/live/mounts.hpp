// What is mounted on a folder of ours, and how it is taken away.
#pragma once

#include <filesystem>

#include <faultline/result.hpp>

namespace faultline::live {

// Unmounts what is mounted there, waiting up to 10 s for its last user; false: nothing is.
Result<bool> unmount_folder(const std::filesystem::path& folder);

}  // namespace faultline::live
