// VirtualClock: one clock of one node as a function of true time: a line, perhaps frozen, perhaps strobing.
//
// Integers only: rates are fixed point with 32 binary places, so that every build computes the same.
#pragma once

#include <cstdint>

#include "queue.hpp"

namespace faultline::sim {

using ClockRate = std::uint64_t;
inline constexpr ClockRate real_time = ClockRate{1} << 32;

class VirtualClock {
 public:
  VirtualClock() = default;
  VirtualClock(Ticks offset, ClockRate rate)
      : own_(offset), rate_(rate), healthy_offset_(offset), healthy_rate_(rate) {}

  [[nodiscard]] Ticks read(Ticks now) const { return line(now) + swing(now); }
  // The earliest true time >= now at which it reads `own` or more, if nothing else is done to it; `never` if never. While it strobes
  // perhaps too early, but later than now unless it reads that much already: ask again then.
  [[nodiscard]] Ticks when(Ticks own, Ticks now) const;
  // How far it is from what a healthy one would read.
  [[nodiscard]] Ticks skew(Ticks now) const { return read(now) - healthy(now); }
  // Whether it runs at more than twice its healthy rate.
  [[nodiscard]] bool runs_fast() const { return !frozen_ && rate_ / 2 > healthy_rate_; }

  void jump(Ticks now, Ticks by);
  // Multiplies its healthy rate. The clock stays continuous.
  void run_at(Ticks now, ClockRate factor);
  void freeze(Ticks now);
  // Adds `by` in every other period, beginning with the second.
  void strobe(Ticks now, Ticks by, Ticks period);
  // Ends freezing, strobing and a false rate; it goes on from what its line reads.
  void steady(Ticks now);
  // Besides, it reads again what a healthy one reads.
  void correct(Ticks now);

 private:
  [[nodiscard]] Ticks line(Ticks now) const { return frozen_ ? own_ : own_ + scaled(now - since_, rate_); }
  [[nodiscard]] bool is_odd(Ticks now) const { return (now - strobe_since_) / period_ % 2 != 0; }
  [[nodiscard]] Ticks swing(Ticks now) const { return period_ != 0 && is_odd(now) ? swing_ : 0; }
  [[nodiscard]] Ticks healthy(Ticks now) const { return healthy_offset_ + scaled(now, healthy_rate_); }
  [[nodiscard]] Ticks line_reaches(Ticks own, Ticks now) const;
  static Ticks scaled(Ticks span, ClockRate rate);
  void fold(Ticks now);

  Ticks since_ = 0;  // the line goes through (since_, own_)
  Ticks own_ = 0;
  ClockRate rate_ = real_time;
  bool frozen_ = false;
  Ticks swing_ = 0;
  Ticks period_ = 0;  // 0: no strobe
  Ticks strobe_since_ = 0;
  Ticks healthy_offset_ = 0;
  ClockRate healthy_rate_ = real_time;
};

// A rate as parts per million above or below real time.
[[nodiscard]] constexpr ClockRate rate_of_drift(std::int64_t ppm) {
  constexpr auto one = static_cast<std::int64_t>(real_time);
  return static_cast<ClockRate>(one + one * ppm / 1'000'000);
}
// REQUIRES: 0 <= factor <= 1000.
[[nodiscard]] ClockRate rate_of_factor(double factor);

}  // namespace faultline::sim
