// The packages: which faults each kind draws, and what shows that they bit.
#include <faultline/nemesis.hpp>

#include <algorithm>
#include <array>

namespace faultline {

namespace {

struct Choice {
  std::uint64_t weight;
  std::string_view word;
};

std::string_view pick(std::span<const Choice> choices, Rng& rng) {
  std::uint64_t total = 0;
  for (const Choice& choice : choices) total += choice.weight;
  std::uint64_t at = rng.below(total);
  for (const Choice& choice : choices) {
    if (at < choice.weight) return choice.word;
    at -= choice.weight;
  }
  FL_ASSERT(false && "the weights add up");
}

// Every shape, those that cut off the leader more often: they are what moves a consensus protocol.
constexpr std::array<Choice, 8> shape_weights{{{25, "primaries"},
                                               {15, "isolate_one"},
                                               {10, "minority"},
                                               {10, "halves"},
                                               {10, "random_halves"},
                                               {10, "majorities_ring"},
                                               {10, "bridge"},
                                               {10, "one_way"}}};
constexpr std::array<Choice, 5> one_way_weights{
    {{35, "primaries"}, {25, "isolate_one"}, {15, "random_halves"}, {15, "majorities_ring"}, {10, "bridge"}}};
constexpr std::array<Choice, 6> target_weights{
    {{30, "primaries"}, {20, "one"}, {15, "minority"}, {15, "majority"}, {10, "random"}, {10, "all"}}};

Fault fault_with(std::string_view kind, std::vector<Value::Entry> parameters) {
  return {.kind = std::string(kind), .nodes = {}, .grudge = {}, .parameters = Value::map(std::move(parameters))};
}

Fault draw_partition(Rng& rng, bool first) {
  const std::string_view shape = first ? "primaries" : pick(shape_weights, rng);
  if (shape != "one_way") return fault_with("partition", {{"shape", shape}});
  return fault_with("partition", {{"shape", shape}, {"of", pick(one_way_weights, rng)}});
}

std::string_view draw_target(Rng& rng, bool first) { return first ? "primaries" : pick(target_weights, rng); }
Fault draw_kill(Rng& rng, bool first) { return fault_with("kill", {{"target", draw_target(rng, first)}}); }
Fault draw_pause(Rng& rng, bool first) { return fault_with("pause", {{"target", draw_target(rng, first)}}); }

Fault draw_membership(Rng& rng, bool first) {
  if (!first && rng.chance(0.4)) return fault_with("membership", {{"change", "grow"}});
  const std::string_view target = first || rng.chance(0.5) ? "primaries" : "one";
  return fault_with("membership", {{"change", "shrink"}, {"target", target}});
}

constexpr std::array<std::string_view, 3> partition_parameters{"shape", "of", "fallback"};
constexpr std::array<std::string_view, 2> target_parameters{"target", "fallback"};
constexpr std::array<std::string_view, 3> membership_parameters{"change", "target", "fallback"};

constexpr std::array<Evidence, 3> partition_evidence{{{"dropped_packets", "packets dropped"},
                                                      {"held_bytes", "bytes held back"},
                                                      {"cut_connections", "connections cut"}}};
constexpr std::array<Evidence, 1> kill_evidence{{{"killed", "daemons killed"}}};
constexpr std::array<Evidence, 1> pause_evidence{{{"paused", "daemons paused"}}};

constexpr std::array<Evidence, 2> membership_evidence{{{"removed", "members removed"}, {"added", "members added"}}};

constexpr std::array<Package, 4> all{{
    {"partition", "partition", "orange", "cuts the network between nodes, in all shapes", partition_evidence,
     partition_parameters, draw_partition},
    {"kill", "kill", "vermillion", "kills daemons (SIGKILL) and starts them again", kill_evidence, target_parameters,
     draw_kill},
    {"pause", "pause", "sky-blue", "stops daemons (SIGSTOP) and lets them go on", pause_evidence, target_parameters,
     draw_pause},
    {"membership", "membership", "bluish-green", "removes a member or adds a new one, then brings the old ones back",
     membership_evidence, membership_parameters, draw_membership},
}};

}  // namespace

std::span<const Package> packages() { return all; }

const Package* package_of_kind(std::string_view kind) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Package& package) { return package.kind == kind; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace faultline
