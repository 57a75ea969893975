// Instant and Duration: nanoseconds since the run began, and differences of them.
//
// RunClock has no now(): the current time is always handed in, by a World or by the test, so that pure rooms cannot read a clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <faultline/result.hpp>

namespace faultline {

using Duration = std::chrono::nanoseconds;

struct RunClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<RunClock, duration>;
  static constexpr bool is_steady = true;
};
using Instant = RunClock::time_point;

// An event read from a source without times carries this.
inline constexpr Instant no_time = Instant::min();

// "412 ms", "1.5 s", "87 us", "0 ns": at most three significant digits, the largest unit that keeps the number >= 1.
std::string to_text(Duration duration);

// Reads "250ms", "1.5s", "2m", "1h", "10us", "5ns". A bare number is an error that names the units.
Result<Duration> parse_duration(std::string_view text);

}  // namespace faultline
