// Small text conversions of the command line: sizes, rates, lists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/value.hpp>

namespace faultline::cli {

// "512MiB", "4GiB", "64KiB" in bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "200/s" per second.
std::optional<double> parse_rate(std::string_view text);
// "0.01", from 0 to 1.
std::optional<double> parse_share(std::string_view text);
// A value as a person types it: nil, true, 7, 1.5, "text", :keyword; anything else is a string.
Value parse_value(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);  // empty text: no items
std::string join(const std::vector<std::string>& items, std::string_view separator);

// As one word of a shell command: in single quotes unless it is plain.
std::string shell_word(std::string_view text);

// Controls spelled out, backslashes as they are: for sentences in which values are quoted already.
std::string harmless_line(std::string_view text);

// "1.8 GiB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace faultline::cli
