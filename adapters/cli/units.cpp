#include "units.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace faultline::cli {

namespace {

std::optional<double> leading_number(std::string_view& text) {
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc{} || !std::isfinite(amount) || amount < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return amount;
}

constexpr std::array<std::pair<std::string_view, double>, 3> size_units{
    {{"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}}};

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto amount = leading_number(text);
  if (!amount) return std::nullopt;
  for (const auto& [name, bytes] : size_units) {
    if (text == name && *amount * bytes < 9e18) return static_cast<std::uint64_t>(*amount * bytes);
  }
  return std::nullopt;
}

std::optional<double> parse_rate(std::string_view text) {
  const auto amount = leading_number(text);
  if (!amount || *amount <= 0 || text != "/s") return std::nullopt;
  return amount;
}

std::optional<double> parse_share(std::string_view text) {
  const auto amount = leading_number(text);
  if (!amount || *amount < 0 || *amount > 1 || !text.empty()) return std::nullopt;
  return amount;
}

Value parse_value(std::string_view text) {
  if (text.empty() || text == "nil" || text == "null") return {};
  if (text == "true") return true;
  if (text == "false") return false;
  std::int64_t integer = 0;
  if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
      error == std::errc{} && end == text.data() + text.size()) {
    return integer;
  }
  double real = 0;
  if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
      error == std::errc{} && end == text.data() + text.size()) {
    return real;
  }
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return Value::string(text.substr(1, text.size() - 2));
  if (text.size() > 1 && text.front() == ':') return Value::keyword(text.substr(1));
  return Value::string(text);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    items.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return items;
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : std::string(separator)) + item;
  return out;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string harmless_line(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\\', at), text.size());
    out += escape_controls(text.substr(at, end - at));
    if (end < text.size()) out += '\\';
    at = end + 1;
  }
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  const double amount = static_cast<double>(bytes);
  for (std::size_t i = size_units.size(); i-- > 0;) {
    if (amount >= size_units[i].second)
      return fmt::format("{:.1f} {}", amount / size_units[i].second, size_units[i].first);
  }
  return fmt::format("{} bytes", bytes);
}

}  // namespace faultline::cli
