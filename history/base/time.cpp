#include <faultline/time.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace faultline {

namespace {
struct Unit {
  std::string_view name;
  double nanoseconds;
};
constexpr std::array<Unit, 6> units{{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
constexpr std::size_t units_below_minutes = 4;  // "90 s" reads better than "1.5 m"
}  // namespace

std::string to_text(Duration duration) {
  const double total = static_cast<double>(duration.count());
  std::size_t unit = 0;
  while (unit + 1 < units_below_minutes && std::fabs(total) >= units[unit + 1].nanoseconds * 0.9995) ++unit;
  const double amount = total / units[unit].nanoseconds;
  const double size = std::fabs(amount);
  const int decimals = unit == 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  std::array<char, 48> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, amount);
  std::string digits = buffer.data();
  if (decimals > 0) {
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
  }
  return digits + " " + std::string(units[unit].name);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = [&] {
    return Error::bad_input("'" + std::string(text) + "' is not a duration",
                            "write a number and a unit (ns, us, ms, s, m, h): \"30s\", \"250ms\", \"5m\"");
  };
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc{} || !std::isfinite(amount) || amount < 0) return bad();
  std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!suffix.empty() && suffix.front() == ' ') suffix.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name != suffix) continue;
    const double total = amount * unit.nanoseconds;
    if (total >= static_cast<double>(std::numeric_limits<Duration::rep>::max())) return bad();
    return Duration(std::llround(total));
  }
  return bad();
}

}  // namespace faultline
