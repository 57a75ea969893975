// A folder as a ZIP archive (PKWARE APPNOTE 6.3, deflate), in memory: for folders that fit there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace faultline::serve {

// Regular files of the folder and its folders, in order of their names, below `prefix` in the archive; links and hidden files are left
// out. Nothing if they are larger than `limit` together, or more than 10,000.
std::optional<std::string> zip_below(const std::filesystem::path& root, const std::vector<std::string>& folder,
                                     const std::string& prefix, std::uint64_t limit);

}  // namespace faultline::serve
