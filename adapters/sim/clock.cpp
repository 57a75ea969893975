#include "clock.hpp"

#include <algorithm>

namespace faultline::sim {

namespace {
__extension__ typedef __int128 Wide;
}

Ticks VirtualClock::scaled(Ticks span, ClockRate rate) {
  return static_cast<Ticks>((static_cast<Wide>(span) * static_cast<Wide>(rate)) >> 32);
}

// The smallest t with own_ + floor((t - since) * rate / 2^32) >= own.
Ticks VirtualClock::line_reaches(Ticks own, Ticks now) const {
  if (own <= line(now)) return now;
  if (frozen_ || rate_ == 0) return never;
  const Wide span = ((static_cast<Wide>(own) - own_) << 32) + static_cast<Wide>(rate_) - 1;
  const Wide at = static_cast<Wide>(since_) + span / static_cast<Wide>(rate_);
  return at >= static_cast<Wide>(never) ? never : static_cast<Ticks>(at);
}

Ticks VirtualClock::when(Ticks own, Ticks now) const {
  if (read(now) >= own) return now;
  if (period_ == 0) return line_reaches(own, now);
  const Ticks earliest = line_reaches(std::min(own, own - swing_), now);
  if (earliest > now) return earliest;
  const Ticks edge = now + period_ - (now - strobe_since_) % period_;
  return std::min(edge, line_reaches(own - swing(now), now));
}

void VirtualClock::fold(Ticks now) {
  own_ = line(now);
  since_ = now;
}

void VirtualClock::jump(Ticks now, Ticks by) {
  fold(now);
  own_ += by;
}

void VirtualClock::run_at(Ticks now, ClockRate factor) {
  fold(now);
  rate_ = static_cast<ClockRate>((static_cast<Wide>(healthy_rate_) * static_cast<Wide>(factor)) >> 32);
}

void VirtualClock::freeze(Ticks now) {
  fold(now);
  frozen_ = true;
}

void VirtualClock::strobe(Ticks now, Ticks by, Ticks period) {
  swing_ = by;
  period_ = period;
  strobe_since_ = now;
}

void VirtualClock::steady(Ticks now) {
  fold(now);
  rate_ = healthy_rate_;
  frozen_ = false;
  swing_ = period_ = 0;
}

void VirtualClock::correct(Ticks now) {
  steady(now);
  since_ = now;
  own_ = healthy(now);
}

ClockRate rate_of_factor(double factor) {
  return static_cast<ClockRate>(factor * 4294967296.0);  // a power of two: exact before it is cut off
}

}  // namespace faultline::sim
