// Traffic: what packets suffer on their way between places, as data.
//
// A packet is a datagram or segment in the namespaces, a whole frame in the proxy of a system whose frames are known, and otherwise a
// piece of a stream: such a stream stays in order and complete, so that a piece that is lost or damaged comes 200 ms later, as if TCP
// had sent it again, and what follows waits for it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

// Of the steady clock of this process: since its epoch, whatever that is.
Instant steady_now();

// What one packet fault asks for.
struct PacketRules {
  Duration delay{};        // for each packet
  Duration jitter{};       // up to so much more; the order stays
  double loss = 0;         // probabilities
  double duplicate = 0;    // a copy comes later
  double reorder = 0;      // later than those sent after it
  double corrupt = 0;      // one to three bits flipped, never in what keeps a stream in step
  std::uint64_t rate = 0;  // bytes a second, 0: any; what would wait longer than 2 s is lost

  friend bool operator==(const PacketRules&, const PacketRules&) = default;
};

// What is due meanwhile waits, and arrives in its order when no clog is left.
struct Clog {
  Instant from = Instant::min();
  Instant to = Instant::max();

  friend bool operator==(const Clog&, const Clog&) = default;
};

// All that lies on one link.
struct LinkFaults {
  std::vector<PacketRules> packets;
  std::vector<Clog> clogs;

  [[nodiscard]] bool empty() const { return packets.empty() && clogs.empty(); }
  friend bool operator==(const LinkFaults&, const LinkFaults&) = default;
};

// By directed link: (from, to).
using LinkName = std::pair<NodeName, NodeName>;
using Traffic = std::map<LinkName, LinkFaults>;

// What they did. Each packet counts once for a thing, however many faults did it to it; reordered are those that were
// overtaken, throttled those that had to wait for others.
struct TrafficCounters {
  std::int64_t held = 0, delayed = 0, lost = 0, duplicated = 0, reordered = 0, corrupted = 0, throttled = 0;
  std::int64_t throttled_bytes = 0;
  std::int64_t under_way = 0;  // now

  TrafficCounters& operator+=(const TrafficCounters& other);
  friend bool operator==(const TrafficCounters&, const TrafficCounters&) = default;
};

// How a train of numbered probes fared from one node to another.
struct Sounding {
  std::int64_t sent = 0;
  std::int64_t arrived = 0;       // distinct ones
  std::int64_t copies = 0;        // further arrivals of one that had arrived
  std::int64_t out_of_order = 0;  // arrived after one that was sent later
  std::int64_t damaged = 0;       // what arrived and is no probe of the train
  Duration median{};              // from sending to arriving
};

}  // namespace faultline::live
