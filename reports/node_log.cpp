// Logs of nodes: from lines with a time of day to lines on the clock of the run.
#include <faultline/report.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace faultline {

namespace {

constexpr std::int64_t second = 1'000'000'000;

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  // Exactly so many digits.
  std::optional<std::int64_t> digits(std::size_t count) {
    if (text_.size() < count) return std::nullopt;
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + count, n);
    if (error != std::errc{} || end != text_.data() + count || n < 0) return std::nullopt;
    text_.remove_prefix(count);
    return n;
  }
  bool any_of(std::string_view characters) {
    if (text_.empty() || characters.find(text_.front()) == std::string_view::npos) return false;
    last_ = text_.front();
    text_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] char last() const { return last_; }
  [[nodiscard]] bool at_digit() const { return !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; }

 private:
  std::string_view text_;
  char last_ = 0;
};

bool leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

std::optional<std::int64_t> days_since_1970(std::int64_t year, std::int64_t month, std::int64_t day) {
  constexpr std::array<std::int64_t, 12> before{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  const std::int64_t past = year - 1;
  const std::int64_t leaps = (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
  const std::int64_t this_year = before[static_cast<std::size_t>(month - 1)] + (month > 2 && leap(year) ? 1 : 0);
  return (year - 1970) * 365 + leaps + this_year + day - 1;
}

std::int64_t fraction(Cursor& at) {
  std::int64_t nanoseconds = 0;
  std::int64_t unit = second / 10;
  while (at.at_digit()) {
    nanoseconds += *at.digits(1) * unit;
    unit /= 10;
  }
  return nanoseconds;
}

// Nanoseconds since 1970 of "2026-11-20T02:14:06.123+01:00"; what follows does not matter. `zone` is that of a stamp which names none.
std::optional<std::int64_t> time_of_day(std::string_view text, Duration zone) {
  Cursor at(text);
  const auto field = [&at](std::size_t count, std::string_view before) -> std::optional<std::int64_t> {
    if (!before.empty() && !at.any_of(before)) return std::nullopt;
    return at.digits(count);
  };
  const auto year = field(4, ""), month = field(2, "-/"), day = field(2, "-/");
  const auto hour = field(2, "T "), minute = field(2, ":"), seconds = field(2, ":");
  if (!year || !month || !day || !hour || !minute || !seconds) return std::nullopt;
  const auto days = days_since_1970(*year, *month, *day);
  if (!days) return std::nullopt;
  std::int64_t time = (((*days * 24 + *hour) * 60 + *minute) * 60 + *seconds) * second;
  if (at.any_of(".,")) time += fraction(at);
  if (at.any_of("Z")) return time;
  if (!at.any_of("+-")) return time - zone.count();
  const std::int64_t sign = at.last() == '-' ? -1 : 1;
  const auto hours = at.digits(2);
  at.any_of(":");
  const auto minutes = at.digits(2);
  return hours && minutes ? time - sign * (*hours * 60 + *minutes) * 60 * second : time;
}

std::optional<std::int64_t> nanoseconds_after(std::string_view line, std::string_view field) {
  const std::size_t found = line.substr(0, 400).find(field);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view digits = line.substr(found + field.size());
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (error != std::errc{} || n < 0) return std::nullopt;
  return n;
}

std::optional<std::int64_t> time_of_line(std::string_view line, Duration zone) {
  // etcd's raft writes its name before the stamp, without a blank: "raft2026/11/20 02:14:06 INFO: …".
  if (line.starts_with("raft2")) line.remove_prefix(4);
  if (const auto time = time_of_day(line, zone)) return time;
  if (const auto time = nanoseconds_after(line, "\"wall\":")) return time;
  for (const std::string_view field : {"\"ts\":\"", "\"time\":\"", "ts=", "time=", "time=\""}) {
    const std::size_t found = line.substr(0, 400).find(field);
    if (found == std::string_view::npos) continue;
    if (const auto time = time_of_day(line.substr(found + field.size()), zone)) return time;
  }
  return std::nullopt;
}

// From what a node's wall clock said to when that was. The offset is a line between any two points; a clock that is set back shows the
// same time twice, so the lines of a file are taken to be in order.
class TrueTime {
 public:
  TrueTime(const std::string& node, const std::vector<ClockOffset>& offsets) {
    for (const ClockOffset& offset : offsets) {
      if (offset.node == node && offset.wall && std::isfinite(offset.seconds))
        points_.push_back({offset.time.time_since_epoch().count(), offset.seconds * 1e9});
    }
  }

  std::int64_t operator()(std::int64_t stamp) {
    if (points_.empty()) return stamp;
    for (std::size_t i = reached_; i <= points_.size(); ++i) {
      const auto found = within(i, stamp);
      if (!found) continue;
      reached_ = i;
      last_ = std::max(last_, *found);
      return *found;
    }
    // Not to be explained by what was measured: as it stands.
    return stamp;
  }

 private:
  struct Point {
    std::int64_t time = 0;
    double offset = 0;
  };
  // Threads of one daemon may write a little out of order.
  static constexpr std::int64_t slack = 50'000'000;

  // The moment before point i (after the one before it) at which the clock showed `stamp`.
  [[nodiscard]] std::optional<std::int64_t> within(std::size_t i, std::int64_t stamp) const {
    const double earlier = i == 0 ? points_.front().offset : points_[i - 1].offset;
    const double later = i == points_.size() ? points_.back().offset : points_[i].offset;
    std::int64_t time = stamp - static_cast<std::int64_t>(earlier);
    if (i > 0 && i < points_.size() && points_[i].time > points_[i - 1].time) {
      const auto from = static_cast<double>(points_[i - 1].time);
      const double slope = (later - earlier) / (static_cast<double>(points_[i].time) - from);
      // A clock that was set back stands still or runs backwards in between: no line can be told to be from there.
      if (slope <= -1) return std::nullopt;
      time = static_cast<std::int64_t>(from + (static_cast<double>(stamp) - from - earlier) / (1 + slope));
    }
    const bool begun = i == 0 || time >= points_[i - 1].time;
    const bool over = i < points_.size() && time > points_[i].time;
    return begun && !over && time >= last_ - slack ? std::optional(time) : std::nullopt;
  }

  std::vector<Point> points_;
  std::size_t reached_ = 0;
  std::int64_t last_ = INT64_MIN + slack;
};

}  // namespace

NodeLog parse_node_log(std::string node, std::string file, std::string_view bytes, const LogClock& clock) {
  TrueTime true_time(node, clock.offsets);
  NodeLog log{.node = std::move(node), .file = std::move(file), .lines = {}};
  std::optional<Duration> now;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(std::min(bytes.size(), end + 1));
    if (const auto time = time_of_line(line, clock.zone)) {
      const Duration stamped(true_time(*time - clock.began));
      // Whole seconds say when at the earliest: within that second a line stands no sooner than the one before it.
      const bool coarse = *time % second == 0 && now && *now > stamped && *now < stamped + Duration(second);
      if (!coarse) now = stamped;
    }
    if (now && !line.empty()) log.lines.push_back({*now, std::string(line)});
  }
  std::stable_sort(log.lines.begin(), log.lines.end(),
                   [](const LogLine& a, const LogLine& b) { return a.since < b.since; });
  return log;
}

}  // namespace faultline
