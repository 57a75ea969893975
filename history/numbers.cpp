#include "numbers.hpp"

#include <faultline/assert.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

namespace faultline {

Value integer_from_digits(std::string_view digits) {
  FL_ASSERT(!digits.empty());
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.remove_prefix(1);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  const std::string canonical = (negative && digits != "0" ? "-" : "") + std::string(digits);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(canonical.data(), canonical.data() + canonical.size(), number);
  if (error == std::errc{}) return Value(number);
  return Value::tagged("bigint", Value::string(canonical));
}

bool is_big_integer(const Value& value) {
  if (!value.is_tagged() || value.tag() != "bigint" || !value.tagged_value().is_string()) return false;
  const std::string_view text = value.tagged_value().as_text();
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return integer_from_digits(text) == value;
}

std::optional<double> real_from_text(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double real = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  if (error == std::errc{}) return real;
  // Out of range: too large, or too small. The decimal exponent of the first digit that is not zero tells which.
  const bool negative = text.starts_with('-');
  std::int64_t exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto [stop, overflow] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (overflow != std::errc{}) exponent = digits.starts_with('-') ? INT64_MIN : INT64_MAX;
    exponent = std::clamp(exponent, INT64_MIN / 2, INT64_MAX / 2);  // so that the magnitude can be added
    text = text.substr(0, e);
  }
  const std::size_t first = text.find_first_of("123456789");
  if (first == std::string_view::npos) return negative ? -0.0 : 0.0;
  const std::size_t point = std::min(text.find('.'), text.size());
  const auto magnitude =
      first < point ? static_cast<std::int64_t>(point - first) : -static_cast<std::int64_t>(first - point - 1);
  if (exponent + magnitude > 0) return std::nullopt;
  return negative ? -0.0 : 0.0;
}

std::string finite_real_text(double real) {
  FL_ASSERT(std::isfinite(real));
  std::string text = fmt::format("{}", real);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::optional<Value> integer_from_hex(bool negative, std::string_view digits) {
  constexpr std::size_t max_digits = 4096;
  constexpr std::uint64_t base = 1'000'000'000;
  if (digits.size() > max_digits) return std::nullopt;
  std::vector<std::uint64_t> limbs{0};  // base 10^9, lowest first
  for (const char c : digits) {
    std::uint64_t carry = static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    for (std::uint64_t& limb : limbs) {
      const std::uint64_t sum = limb * 16 + carry;
      limb = sum % base;
      carry = sum / base;
    }
    if (carry > 0) limbs.push_back(carry);
  }
  std::string text = negative ? "-" : "";
  text += fmt::format("{}", limbs.back());
  for (std::size_t i = limbs.size() - 1; i-- > 0;) text += fmt::format("{:09}", limbs[i]);
  return integer_from_digits(text);
}

}  // namespace faultline
