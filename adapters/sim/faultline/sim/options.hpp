// SimOptions: everything a simulated run is told before it begins. Drawn from the seed, printed, read back; an equal value repeats the run.
#pragma once

#include <faultline/fault.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>
#include <faultline/value.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace faultline::sim {

// Delays are minimum + tail: a tail is uniform below the jitter, half of them doubled, a quarter four times as long, … at most 32 times.
struct NetworkOptions {
  Duration delay = std::chrono::microseconds(200);
  Duration jitter = std::chrono::microseconds(200);
  Duration client_delay = std::chrono::microseconds(100);
  Duration client_jitter = std::chrono::microseconds(100);
  // As TCP between daemons: frames of a link stay in order and die with the boot they were sent to. Else datagrams: none of that.
  bool streams = true;
  friend bool operator==(const NetworkOptions&, const NetworkOptions&) = default;
};

struct DiskOptions {
  Duration latency = std::chrono::microseconds(500);  // of a batch with its sync
  Duration jitter = std::chrono::microseconds(500);
  friend bool operator==(const DiskOptions&, const DiskOptions&) = default;
};

// Healthy clocks: drawn per node, symmetric around zero.
struct ClockOptions {
  Duration wall_offset_max = std::chrono::milliseconds(50);
  std::int64_t drift_ppm_max = 50;
  friend bool operator==(const ClockOptions&, const ClockOptions&) = default;
};

struct SimOptions {
  std::uint64_t seed = 0;
  std::vector<NodeName> nodes{"n1", "n2", "n3"};
  std::vector<NodeName> spares;  // not running; a membership that grows takes one in
  std::size_t concurrency = 5;   // workers; worker w is the client named c<w>, pinned to node w mod N
  NetworkOptions network;
  DiskOptions disk;
  ClockOptions clock;
  Duration event_cost =
      std::chrono::microseconds(20);  // of an event at a node, when under pressure; divided by its speed
  Duration operation_limit = std::chrono::seconds(30);           // the net under the clients' own deadlines
  Duration membership_limit = std::chrono::seconds(15);          // for one step of a change of members
  Duration membership_interval = std::chrono::milliseconds(20);  // between two attempts of one
  // Lifts the limits inside which a correct system must stay correct: clocks may step back, any number of disks may rot.
  bool beyond_model = false;
  friend bool operator==(const SimOptions&, const SimOptions&) = default;
};

// The swarm's draw of what is not given by hand: network, disk and clock; n1 … nN.
SimOptions draw_options(std::uint64_t seed, std::size_t nodes, std::size_t spares, std::size_t concurrency);

// Every field, durations as text ("200us"), for run.toml and scenario files.
Value to_value(const SimOptions& options);
// Strict: unknown fields and wrong types are bad input. Absent fields keep their defaults.
Result<SimOptions> options_from_value(const Value& value);

}  // namespace faultline::sim
