// The line formats of Jepsen: its log and its tables. Private to history/.
#pragma once

#include <optional>
#include <string_view>

namespace faultline {

// What stands after the prefix of the logger jepsen.util; nullopt for lines of other loggers.
std::optional<std::string_view> jepsen_log_content(std::string_view line);

// Does a line begin like an event of a table: process TAB :type TAB?
bool is_tsv_line(std::string_view line);

}  // namespace faultline
