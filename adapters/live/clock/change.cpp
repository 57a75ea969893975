#include "change.hpp"

#include <cmath>

namespace faultline::live::clock {
namespace {

constexpr std::int64_t unit_slope = std::int64_t{1} << 32;

int segment_at(const Warp& warp, std::int64_t t) {
  int i = segment_count - 1;
  while (i > 0 && t < warp.segments[i].base) --i;
  return i;
}

// How far the clock is off at t, without a strobe, which ends with its segment.
std::int64_t error_at(const Warp& warp, std::int64_t t) {
  Segment segment = warp.segments[segment_at(warp, t)];
  segment.period = 0;
  return warped(segment, t) - t;
}

std::int64_t slope_of(double rate) {
  return static_cast<std::int64_t>(std::llround((rate - 1) * static_cast<double>(unit_slope)));
}

// Half speed takes twice the error. A clock that is behind steps forward, which is monotonic, too.
void reset(Warp& warp, int& next, std::int64_t at, std::int64_t error, bool slew) {
  if (!slew || error <= 0) {
    warp.segments[next++] = {.base = at};
    return;
  }
  warp.segments[next++] = {.base = at, .offset = error, .slope = -unit_slope / 2};
  warp.segments[next++] = {.base = at + 2 * error};
}

}  // namespace

std::int64_t seen_at(const Warp& warp, std::int64_t t) { return warped(warp.segments[segment_at(warp, t)], t); }

std::int64_t settles_at(const Warp& warp, std::int64_t now) {
  std::int64_t last = 0;
  for (const Segment& segment : warp.segments) {
    if (segment.base != never && segment.base > now) last = segment.base;
  }
  return last;
}

Warp changed(const Warp& warp, const ClockChange& change, bool monotonic, std::int64_t now, std::int64_t at) {
  FL_ASSERT(now <= at);
  Warp after;
  int next = 0;
  const int last = segment_at(warp, at);
  for (int i = segment_at(warp, now); i <= last; ++i) after.segments[next++] = warp.segments[i];
  constexpr int most_added = 2;
  FL_ASSERT(next <= segment_count - most_added);
  const Segment& current = warp.segments[last];
  const std::int64_t error = error_at(warp, at);
  switch (change.kind) {
    case ClockChange::Kind::jump:  // keeps the rate, ends a strobe
      after.segments[next++] = {.base = at, .offset = error + change.by.count(), .slope = current.slope};
      break;
    case ClockChange::Kind::rate:
      after.segments[next++] = {.base = at, .offset = error, .slope = slope_of(change.rate)};
      break;
    case ClockChange::Kind::strobe:
      after.segments[next++] = {
          .base = at, .offset = error, .amplitude = change.by.count(), .period = change.period.count()};
      break;
    case ClockChange::Kind::freeze: after.segments[next++] = {.base = at, .offset = error, .slope = -unit_slope}; break;
    case ClockChange::Kind::reset: reset(after, next, at, error, monotonic || change.slew); break;
  }
  return after;
}

}  // namespace faultline::live::clock
