#include "lane.hpp"

#include <algorithm>
#include <chrono>

namespace faultline::live {
namespace {

constexpr Duration longest_backlog = std::chrono::seconds(2);
constexpr Duration resend = std::chrono::milliseconds(200);  // Linux's least retransmission timeout
constexpr Duration least_lateness = std::chrono::milliseconds(5);
constexpr std::size_t packet_overhead = 40;  // headers of IP and TCP

Duration draw(Rng& rng, Duration delay, Duration jitter) {
  if (jitter <= Duration::zero()) return delay;
  return delay + Duration(static_cast<Duration::rep>(rng.below(static_cast<std::uint64_t>(jitter.count()) + 1)));
}

}  // namespace

Instant steady_now() {
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

TrafficCounters& TrafficCounters::operator+=(const TrafficCounters& other) {
  held += other.held, delayed += other.delayed, lost += other.lost, duplicated += other.duplicated;
  reordered += other.reordered, corrupted += other.corrupted, throttled += other.throttled;
  throttled_bytes += other.throttled_bytes, under_way += other.under_way;
  return *this;
}

void Link::set(LinkFaults faults) {
  const bool limited = std::any_of(faults.packets.begin(), faults.packets.end(),
                                   [](const PacketRules& rules) { return rules.rate > 0; });
  if (!limited) free_at_ = Instant::min();
  faults_ = std::move(faults);
}

std::optional<Instant> Link::clogged_until(Instant now) const {
  std::optional<Instant> until;
  for (const Clog& clog : faults_.clogs) {
    if (clog.from <= now && now < clog.to) until = std::max(until.value_or(clog.to), clog.to);
  }
  return until;
}

// One fault after the other, as a packet would meet them on its way. False: it is lost.
bool Link::cross(const PacketRules& rules, std::size_t bytes, bool whole, Fate& fate, TrafficCounters& seen) {
  const bool damaged = rules.corrupt > 0 && rng_.chance(rules.corrupt);
  const bool lost = rules.loss > 0 && rng_.chance(rules.loss);
  const bool late = rules.reorder > 0 && rng_.chance(rules.reorder);
  const Duration lateness = std::max(rules.delay + rules.jitter, least_lateness);
  if (lost || (damaged && !whole)) {
    seen.lost = 1;
    if (whole) return false;
    fate.at += resend;
  } else if (damaged) {
    fate.damaged = true;
  }
  if (rules.delay > Duration::zero() || rules.jitter > Duration::zero()) {
    fate.at += draw(rng_, rules.delay, rules.jitter);
    seen.delayed = 1;
  }
  if (rules.rate > 0) {
    const Instant begins = std::max(fate.at, free_at_);
    if (whole && begins - fate.at > longest_backlog) {
      seen.lost = 1;
      return false;
    }
    constexpr double nanoseconds = 1e9;
    const double takes = static_cast<double>(bytes + packet_overhead) * nanoseconds / static_cast<double>(rules.rate);
    free_at_ = begins + Duration(static_cast<Duration::rep>(takes));
    if (begins > fate.at) {
      seen.throttled = 1;
      seen.throttled_bytes = static_cast<std::int64_t>(bytes);
    }
    fate.at = free_at_;
  }
  if (late) {
    // Late enough to be passed, often by several.
    constexpr std::uint64_t most = 8;
    fate.at += whole ? lateness * static_cast<Duration::rep>(1 + rng_.below(most)) : lateness;
    fate.late = fate.late || whole;
    if (!whole) seen.delayed = 1;
  }
  if (whole && rules.duplicate > 0 && rng_.chance(rules.duplicate))
    fate.copy_at = fate.at + draw(rng_, Duration::zero(), lateness);
  return true;
}

Fate Link::fate(Instant now, std::size_t bytes, bool whole) {
  Fate fate{.lost = false, .at = now, .late = false, .copy_at = {}, .damaged = false};
  TrafficCounters seen;
  for (const PacketRules& rules : faults_.packets) {
    if (cross(rules, bytes, whole, fate, seen)) continue;
    fate.lost = true;
    break;
  }
  counters += seen;
  return fate;
}

void Link::damage(Parcel& parcel) {
  if (parcel.bytes.size() <= parcel.frozen) return;
  char& byte = parcel.bytes[parcel.frozen + rng_.below(parcel.bytes.size() - parcel.frozen)];
  unsigned mask = 0;
  for (std::uint64_t flips = 1 + rng_.below(3); flips > 0; --flips) mask |= 1U << rng_.below(8);
  byte = static_cast<char>(static_cast<unsigned char>(byte) ^ mask);
  parcel.is_damaged = true;
  ++counters.corrupted;
}

void Lane::push(Instant at, Parcel&& parcel) {
  bytes_ += parcel.bytes.size();
  ++link_.counters.under_way;
  pending_.emplace(std::pair(at, pushed_++), std::move(parcel));
}

bool Lane::send(Instant now, Parcel&& parcel) {
  Fate fate = link_.fate(now, parcel.bytes.size(), parcel.whole);
  if (fate.lost) return false;
  parcel.sequence = ++sent_;
  if (!fate.late) {
    fate.at = std::max(fate.at, last_arrival_);
    last_arrival_ = fate.at;
  }
  if (fate.damaged) link_.damage(parcel);
  if (fate.copy_at) {
    Parcel copy = parcel;
    copy.is_copy = true;
    ++link_.counters.duplicated;
    push(std::max(*fate.copy_at, fate.at), std::move(copy));
  }
  push(fate.at, std::move(parcel));
  return true;
}

std::vector<Parcel> Lane::take(Instant now) {
  std::vector<Parcel> arrived;
  if (link_.clogged_until(now)) {
    for (auto it = pending_.upper_bound(held_up_to_); it != pending_.end() && it->first.first <= now; ++it) {
      ++link_.counters.held;
      held_up_to_ = it->first;
    }
    return arrived;
  }
  while (!pending_.empty() && (link_.is_clear() || pending_.begin()->first.first <= now)) {
    Parcel parcel = std::move(pending_.begin()->second);
    pending_.erase(pending_.begin());
    bytes_ -= parcel.bytes.size();
    --link_.counters.under_way;
    if (!parcel.is_copy) {
      if (parcel.sequence < newest_arrived_) ++link_.counters.reordered;
      newest_arrived_ = std::max(newest_arrived_, parcel.sequence);
    }
    arrived.push_back(std::move(parcel));
  }
  if (pending_.empty()) last_arrival_ = Instant::min();
  return arrived;
}

std::optional<Instant> Lane::next(Instant now) const {
  if (pending_.empty()) return std::nullopt;
  if (link_.is_clear()) return now;
  const auto until = link_.clogged_until(now);
  if (!until) return pending_.begin()->first.first;
  // What becomes due meanwhile is to be counted as held.
  const auto unheld = pending_.upper_bound(held_up_to_);
  const Instant next = unheld == pending_.end() ? *until : std::min(*until, unheld->first.first);
  return next == Instant::max() ? std::nullopt : std::optional(next);
}

}  // namespace faultline::live
