// Numbers as text, exactly. Private to history/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <faultline/value.hpp>

namespace faultline {

// [-+]digits as an integer Value, or as {"bigint", digits} beyond 64 bits; leading zeros and '+' do not count.
// REQUIRES: at least one digit and nothing else.
Value integer_from_digits(std::string_view digits);

// A tagged "bigint" in the one spelling integer_from_digits() gives: outside 64 bits, no leading zeros.
bool is_big_integer(const Value& value);

// The double nearest to a decimal number; beyond the largest double: nullopt; below the smallest: zero with its sign.
// REQUIRES: digits with optional sign, fraction and exponent.
std::optional<double> real_from_text(std::string_view text);

// The shortest text that reads back as the same double; always with '.' or 'e'. REQUIRES: finite.
std::string finite_real_text(double real);

// Hexadecimal digits as an integer Value. nullopt: more than 4,096 digits. REQUIRES: at least one digit and nothing
// else.
std::optional<Value> integer_from_hex(bool negative, std::string_view digits);

}  // namespace faultline
