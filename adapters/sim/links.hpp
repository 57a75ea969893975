// Link: one direction between two places of the network, with the faults that lie on it and what they did.
#pragma once

#include <faultline/rng.hpp>

#include <cstdint>
#include <deque>
#include <vector>

#include "queue.hpp"

namespace faultline::sim {

struct LinkCounters {
  std::uint64_t dropped = 0, held = 0, delayed = 0, lost = 0, duplicated = 0, reordered = 0, corrupted = 0,
                throttled = 0;

  LinkCounters& operator+=(const LinkCounters& other) {
    dropped += other.dropped, held += other.held, delayed += other.delayed, lost += other.lost;
    duplicated += other.duplicated, reordered += other.reordered, corrupted += other.corrupted;
    throttled += other.throttled;
    return *this;
  }
};

// A packet fault on links; one stream of its own.
struct PacketRules {
  Ticks delay = 0, jitter = 0;
  double loss = 0, duplicate = 0, reorder = 0, corrupt = 0;
  std::uint64_t rate = 0;  // bytes a second; 0: no limit
};
struct PacketFault {
  std::uint64_t id = 0;
  PacketRules rules;
  Rng rng{0};
};

struct Link {
  Rng rng{0};
  bool is_client = false;
  std::uint32_t cuts = 0;  // partitions on it
  std::uint32_t clogs = 0;
  std::vector<PacketFault*> faults;
  Ticks last_arrival = 0;
  Ticks free_at = 0;      // under a rate
  std::deque<Item> held;  // by clogs
  LinkCounters counters;
};

}  // namespace faultline::sim
