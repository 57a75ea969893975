// Links and lanes: the scheduler of packets that the fault proxy and the packet queue share. Pure: time is handed in.
//
// A Link is one direction between two places: the faults that lie on it, its bandwidth, its draws, its counters. A Lane is one stream of
// packets on a link (a connection's, say): it holds what is under way, in the order in which it will arrive. Packets keep their order,
// save those the rules make late and the copies.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <faultline/live/traffic.hpp>
#include <faultline/rng.hpp>

namespace faultline::live {

struct Parcel {
  std::uint64_t id = 0;        // the caller's own
  std::string bytes;           // what arrives; a rate counts its size
  std::size_t frozen = 0;      // so many bytes at its beginning are never damaged
  bool whole = true;           // false: a piece of a stream, which is only ever late
  bool is_copy = false;        // set by the lane
  bool is_damaged = false;     // set by the lane
  std::uint64_t sequence = 0;  // set by the lane
};

// What becomes of one packet.
struct Fate {
  bool lost = false;
  Instant at;         // when it arrives
  bool late = false;  // those sent later need not wait for it
  std::optional<Instant> copy_at;
  bool damaged = false;
};

class Link {
 public:
  explicit Link(Rng rng) : rng_(std::move(rng)) {}

  void set(LinkFaults faults);
  // Nothing lies on it: packets need not come by here.
  [[nodiscard]] bool is_clear() const { return faults_.empty(); }
  // nullopt: it is open; Instant::max(): until told otherwise.
  [[nodiscard]] std::optional<Instant> clogged_until(Instant now) const;
  Fate fate(Instant now, std::size_t bytes, bool whole);
  void damage(Parcel& parcel);

  TrafficCounters counters;

 private:
  bool cross(const PacketRules& rules, std::size_t bytes, bool whole, Fate& fate, TrafficCounters& seen);

  LinkFaults faults_;
  Rng rng_;
  Instant free_at_ = Instant::min();  // under a rate
};

class Lane {
 public:
  explicit Lane(Link& link) : link_(link) {}  // which outlives it
  ~Lane() { link_.counters.under_way -= static_cast<std::int64_t>(pending_.size()); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // False: the packet is lost, and was not taken.
  bool send(Instant now, Parcel&& parcel);
  // Those that arrive now, in their order.
  std::vector<Parcel> take(Instant now);
  // When to call take() again; nullopt: when something is sent, or the link's faults change.
  [[nodiscard]] std::optional<Instant> next(Instant now) const;
  [[nodiscard]] bool empty() const { return pending_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void push(Instant at, Parcel&& parcel);

  Link& link_;
  std::map<std::pair<Instant, std::uint64_t>, Parcel> pending_;  // by arrival, then in order of sending
  std::uint64_t pushed_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t newest_arrived_ = 0;
  Instant last_arrival_ = Instant::min();
  std::size_t bytes_ = 0;
  std::pair<Instant, std::uint64_t> held_up_to_{Instant::min(), 0};  // those up to there are counted as held
};

}  // namespace faultline::live
