// Complaint: what is wrong with an input, before it is known how to print it; and how to print it. Private to history/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <faultline/result.hpp>

namespace faultline {

struct Complaint {
  std::size_t offset = 0;  // in bytes, from the start of the text that was being read
  std::string text;        // "expected X, found Y"
  std::string remedy;      // one sentence, or empty
};

// Where a text stands in its file. `line` is the whole line without its newline, or as much of it as is at hand,
// starting with byte `line_offset` of the line.
struct Place {
  std::string_view file;
  std::uint64_t line_number = 1;
  std::uint64_t column = 1;  // in bytes, from 1
  std::string_view line;
  std::uint64_t line_offset = 0;
};

// FILE:LINE:COLUMN: error: <text>, then at most 120 characters of the line around the column with a caret, then the
// remedy.
Error located(const Place& place, const Complaint& complaint);

// A piece of input for "found …": quoted, escaped, at most 40 bytes; "end of line" if there is none left.
std::string found(std::string_view rest, std::string_view end_name = "end of line");

// The offset of the first byte that is not well-formed UTF-8.
std::optional<std::size_t> first_bad_utf8(std::string_view text);

}  // namespace faultline
