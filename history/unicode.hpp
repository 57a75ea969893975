// Just enough of Unicode for characters and escapes. Private to history/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace faultline {

// REQUIRES: a code point, no surrogate.
void append_utf8(std::string& out, std::uint32_t code);

// The length of the well-formed character `text` begins with; 0 if it begins with none.
std::size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace faultline
