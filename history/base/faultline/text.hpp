// Text helpers every room needs: escaping what a hostile system may have put into a value or a log line, and spelling help.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace faultline {

// Makes bytes harmless on one line of a terminal, a log or an error message: control characters become \n, \t or \xNN, bad UTF-8
// becomes \xNN, bidirectional controls become ‹U+202E›, the backslash and `quote` (if not 0) are escaped with a backslash.
std::string escape_controls(std::string_view bytes, char quote = 0);

// The longest prefix of at most `limit` bytes that does not split a UTF-8 character, with "… (N bytes)" when something was cut.
std::string clip(std::string_view text, std::size_t limit);

// The candidate nearest to `word` by edit distance, if it is near enough to be a likely misspelling; else empty.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace faultline
