// Plans: a Fault read into what the engine does: names became indices, texts became numbers, nothing is left to be refused.
#pragma once

#include <faultline/fault.hpp>
#include <faultline/sim/options.hpp>
#include <faultline/sim/system.hpp>

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "clock.hpp"
#include "disk_image.hpp"
#include "links.hpp"

namespace faultline::sim {

enum class Call : std::uint8_t { open, read, write, allocate, fsync, truncate, rename, unlink, mkdir };
inline constexpr std::size_t call_count = 9;
[[nodiscard]] std::string_view to_string(Call call);
[[nodiscard]] std::optional<Call> call_of(std::string_view name);

// Does the path match? `*` any characters, `?` one; an empty glob matches all.
[[nodiscard]] bool matches(std::string_view glob, std::string_view path);

// Places of the network: nodes first (founders, spares), then clients by worker.
using Place = std::uint32_t;
using PlacePair = std::pair<Place, Place>;  // from, to

struct PartitionPlan {
  std::vector<PlacePair> cuts;
};
struct ClogPlan {
  std::vector<PlacePair> links;  // empty: all of the nodes'
};
struct SwizzlePlan {
  struct Clog {
    NodeIndex node = 0;
    Ticks from = 0, to = 0;
  };
  std::vector<Clog> clogs;
};
struct PacketPlan {
  PacketRules rules;
  std::vector<PlacePair> links;  // empty: all of the nodes'
};
struct KillPlan {
  PowerLoss loss = PowerLoss::keep;
};
struct CrashPlan {
  Call call = Call::fsync;
  std::uint64_t nth = 1;
  bool after = false;
  std::string file;
  PowerLoss loss = PowerLoss::lose_unsynced;
};
struct RestartPlan {
  Ticks down = 0;  // how long each
};
struct PausePlan {};
struct ClockPlan {
  enum class Change : std::uint8_t { jump, rate, strobe, freeze } change = Change::jump;
  bool wall = true, mono = false;
  Ticks by = 0;
  ClockRate rate = real_time;
  Ticks period = 0;
};
struct IoErrorPlan {
  bool on_read = false, on_write = false;
  double probability = 1;
  std::string file;
  std::string error;
};
struct SyncErrorPlan {
  std::string error;
  bool drop = true;
  std::uint64_t nth = 1;
  std::string file;
};
struct SpacePlan {
  std::uint64_t bytes = 0;
};
struct SlowDiskPlan {
  Ticks latency = 0;
};
struct BitFlipPlan {
  std::string file;
  std::uint64_t bits = 1;
};
struct TruncatePlan {
  std::string file;
  std::uint64_t bytes = 1;
};
struct WipePlan {};
struct MembershipPlan {
  bool grows = false;
};
struct PressurePlan {
  double speed = 1;
};

struct Plan {
  std::variant<PartitionPlan, ClogPlan, SwizzlePlan, PacketPlan, KillPlan, CrashPlan, PausePlan, ClockPlan, IoErrorPlan,
               SyncErrorPlan, SpacePlan, SlowDiskPlan, BitFlipPlan, TruncatePlan, WipePlan, MembershipPlan,
               PressurePlan, RestartPlan>
      what;
  std::vector<NodeIndex> nodes;
};

// Bad input: an unknown kind, parameter, node or value, naming it, with what is known.
Result<Plan> read_plan(const Fault& fault, const SimOptions& options);

}  // namespace faultline::sim
