#include "time_axis.hpp"

#include <faultline/assert.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t max_breaks = 6;
constexpr double break_width = 44;
// Cut while less than this share of the drawn time is busy, and only stretches that are at least this share of it.
constexpr double enough_busy = 0.3;
constexpr double worth_cutting = 0.25;
constexpr double margin_share = 0.05;  // of the drawn time, kept on each side of a break

// Exact for stretches of any length, and for short ones far from zero.
double length(std::int64_t from, std::int64_t to) {
  return static_cast<double>(static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from));
}

struct Gap {
  std::int64_t from, to;
  bool cut = false;
  [[nodiscard]] double size() const { return length(from, to); }
};

std::vector<Busy> merged(std::vector<Busy> busy) {
  for (Busy& b : busy) b.to = std::max(b.from, b.to);
  std::sort(busy.begin(), busy.end(),
            [](const Busy& a, const Busy& b) { return a.from < b.from || (a.from == b.from && a.to < b.to); });
  std::vector<Busy> out;
  for (const Busy& b : busy) {
    if (!out.empty() && b.from <= out.back().to) {
      out.back().to = std::max(out.back().to, b.to);
    } else {
      out.push_back(b);
    }
  }
  return out;
}

// Marks the gaps to cut, longest first; returns the time that is still drawn, without margins.
double choose_cuts(std::vector<Gap>& gaps, double busy) {
  double drawn = busy;
  for (const Gap& gap : gaps) drawn += gap.size();
  std::vector<std::size_t> by_length(gaps.size());
  std::iota(by_length.begin(), by_length.end(), std::size_t{0});
  std::stable_sort(by_length.begin(), by_length.end(),
                   [&](std::size_t a, std::size_t b) { return gaps[a].size() > gaps[b].size(); });
  std::size_t cuts = 0;
  for (const std::size_t i : by_length) {
    if (busy <= 0 || busy >= enough_busy * drawn || gaps[i].size() < worth_cutting * drawn || cuts == max_breaks) break;
    gaps[i].cut = true;
    drawn -= gaps[i].size();
    ++cuts;
  }
  return drawn;
}

}  // namespace

TimeAxis::TimeAxis(std::vector<Busy> busy, double left, double right, double tail, bool cuts) {
  FL_ASSERT(!busy.empty());
  FL_ASSERT(left + tail < right);
  const std::vector<Busy> stretches = merged(std::move(busy));
  std::vector<Gap> gaps;
  double active = 0;
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    active += length(stretches[i].from, stretches[i].to);
    if (i > 0) gaps.push_back({stretches[i - 1].to, stretches[i].from});
  }
  double drawn = active;
  for (const Gap& gap : gaps) drawn += gap.size();
  if (cuts) drawn = choose_cuts(gaps, active);
  const auto margin = static_cast<std::int64_t>(drawn * margin_share);
  std::size_t broken = 0;
  for (Gap& gap : gaps) {
    if (!gap.cut) continue;
    gap.cut = gap.size() > 4.0 * static_cast<double>(margin);
    drawn += gap.cut ? 2.0 * static_cast<double>(margin) : gap.size();
    broken += gap.cut ? 1 : 0;
  }
  const double room = right - left - tail - static_cast<double>(broken) * break_width;
  scale_ = drawn > 0 ? std::max(room, 1.0) / drawn : 0;
  double at = left;
  points_.push_back({stretches.front().from, at});
  const auto advance = [&](std::int64_t to, double by) { points_.push_back({to, at += by}); };
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    const auto busy_length = length(stretches[i].from, stretches[i].to);
    advance(stretches[i].to, busy_length * scale_);
    if (i == gaps.size()) break;
    if (!gaps[i].cut) {
      advance(gaps[i].to, gaps[i].size() * scale_);
      continue;
    }
    const double side = static_cast<double>(margin) * scale_;
    advance(gaps[i].from + margin, side);
    breaks_.push_back(
        {gaps[i].from + margin, gaps[i].to - margin, elapsed(gaps[i].from, gaps[i].to).count(), at, break_width});
    advance(gaps[i].to - margin, break_width);
    advance(gaps[i].to, side);
  }
}

double TimeAxis::x(std::int64_t time) const {
  if (time <= points_.front().time) return points_.front().x;
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), time, [](const Point& p, std::int64_t t) { return p.time < t; });
  if (after == points_.end()) return points_.back().x;
  const Point& b = *after;
  const Point& a = *std::prev(after);
  const double share = length(a.time, time) / length(a.time, b.time);
  return a.x + share * (b.x - a.x);
}

std::int64_t TimeAxis::step(double spacing) const {
  if (scale_ <= 0) return 1;
  const double wanted = spacing / scale_;
  double step = 1;
  while (step < wanted) {
    const double mantissa = step / std::pow(10.0, std::floor(std::log10(step) + 1e-9));
    step *= mantissa < 1.5 ? 2 : mantissa < 3 ? 2.5 : 2;
  }
  return static_cast<std::int64_t>(std::min(step, 9e18));
}

std::string TimeAxis::unit(double spacing) const {
  const std::int64_t s = step(spacing);
  return s >= 100'000'000 ? "s" : s >= 100'000 ? "ms" : s >= 100 ? "us" : "ns";
}

std::vector<Tick> TimeAxis::ticks(double spacing, std::int64_t zero) const {
  const std::int64_t s = step(spacing);
  const std::string u = unit(spacing);
  const double divisor = u == "s" ? 1e9 : u == "ms" ? 1e6 : u == "us" ? 1e3 : 1;
  const double in_unit = static_cast<double>(s) / divisor;
  const int decimals = in_unit >= 1 ? 0 : in_unit >= 0.1 ? 1 : 2;
  std::vector<Tick> list;
  const auto first_multiple = [&](std::int64_t from) {
    const auto count = static_cast<std::int64_t>(
        std::ceil((static_cast<double>(from) - static_cast<double>(zero)) / static_cast<double>(s)));
    return static_cast<double>(zero) + static_cast<double>(count) * static_cast<double>(s);
  };
  std::int64_t from = begin();
  for (std::size_t i = 0; i <= breaks_.size(); ++i) {
    const std::int64_t to = i < breaks_.size() ? breaks_[i].from : end();
    for (double t = first_multiple(from); t <= static_cast<double>(to) && list.size() < 200;
         t += static_cast<double>(s)) {
      const double at = x(static_cast<std::int64_t>(t));
      if (!list.empty() && at < list.back().x + spacing * 0.6) continue;
      list.push_back({at, fmt::format("{:.{}f}", (t - static_cast<double>(zero)) / divisor, decimals)});
    }
    if (i < breaks_.size()) from = breaks_[i].to;
  }
  return list;
}

}  // namespace faultline::reports
