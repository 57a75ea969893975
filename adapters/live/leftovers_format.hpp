// The lines of a leftovers journal, and the marker of a scratch folder. Shared by the writer and the healer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace faultline::live {

inline constexpr std::string_view journal_suffix = ".journal";
inline constexpr std::string_view journal_header = "faultline-leftovers-1";
inline constexpr const char* scratch_marker = ".faultline-scratch";

// The fields separated by tabs, with a newline; tab, newline and backslash inside a field are escaped.
std::string join_record(const std::vector<std::string>& fields);
// The fields of a line (without its newline).
std::vector<std::string> split_record(std::string_view line);

}  // namespace faultline::live
