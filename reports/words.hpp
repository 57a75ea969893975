// Words: how values, operations and amounts are spelled, the same in every format.
//
// What comes back here is plain text that cannot do harm on a terminal: controls, bad UTF-8 and bidirectional controls
// are spelled out and long values are cut. Each format escapes its own markup on top of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <faultline/history.hpp>

namespace faultline::reports {

inline constexpr std::size_t value_limit = 200;  // characters of a value that are shown

// Controls, bad UTF-8 and bidirectional controls spelled out. Unlike escape_controls it leaves backslashes alone, so
// that text which was escaped once stays as it is.
std::string harmless(std::string_view text);
// At most `limit` characters, with "… (N bytes)" when something was cut.
std::string cut(std::string_view text, std::size_t limit = value_limit);
// Text from outside that is no Value: node names, errors, file names.
std::string outside(std::string_view text, std::size_t limit = value_limit);
// A whole sentence, message or command line: longer, but bounded too.
std::string spoken(std::string_view text);
// A value as the checker's sentences write it: text quoted. A key: text bare.
std::string show(const Value& value, std::size_t limit = value_limit);
std::string show_key(const Value& key, std::size_t limit = value_limit);

// An operation without argument whose result is what it saw, so that an absent result is worth showing.
bool only_observes(std::string_view f);
// "write 5", "read → 3", "cas 1→2", "read → ?".
std::string operation_text(const History& history, OperationIndex operation, bool with_key = false,
                           std::size_t limit = value_limit);
// "p4".
std::string process_text(Process process);
// The node that answered, or was asked; empty if unknown.
std::string node_text(const History& history, OperationIndex operation);
// ✓ ? –
std::string_view outcome_glyph(Outcome outcome);

// "1 operation", "2 operations".
std::string counted(std::uint64_t n, std::string_view singular, std::string_view plural = {});
// "18 204", with narrow no-break spaces.
std::string grouped(std::uint64_t n);
// "1.8 GiB".
std::string bytes_text(std::uint64_t bytes);
// "0 %", "0.3 %", "41 %"; never rounds something to nothing or a part to the whole.
std::string percent(std::uint64_t part, std::uint64_t whole);
// For terminals without UTF-8.
std::string to_ascii(std::string_view text);
// Columns a text takes in a monospaced font.
std::size_t columns(std::string_view text);
// to - from, as far as it can be told in nanoseconds.
Duration elapsed(std::int64_t from, std::int64_t to);
// One argument of a POSIX shell, quoted only when it must be.
std::string shell_quoted(std::string_view argument);

}  // namespace faultline::reports
