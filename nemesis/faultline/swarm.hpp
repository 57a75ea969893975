// Swarm: which faults one run has, with which taste, and when, drawn from its seed alone; and the presets by name.
//
// Groce, Zhang, Eide, Chen, Regehr: "Swarm Testing", ISSTA 2012: runs that leave some features out find more than runs that mix all of
// them. Each package is off with probability 1/2; the words of each question get random weights, some of them none; one run of twenty
// has no fault at all.
//
// draw_schedule() turns a mix into decisions, all at once and before the run: printed, replayed, shrunk. Each decision draws from a
// stream of its own (its package and number there), so that deleting one, or changing another package's taste, leaves it as it was.
// Selectors (a shape, a target) stay open until the decision fires.
#pragma once

#include <faultline/nemesis.hpp>
#include <faultline/schedule.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace faultline {

struct Mix {
  std::vector<std::string> packages;                 // in the catalogue's order; empty: no faults
  std::map<std::string, Taste, std::less<>> tastes;  // by package; absent: the package's own weights
  friend bool operator==(const Mix&, const Mix&) = default;
};

// From all packages, or those named (unknown names are left out). `quiet`: how often there is no fault at all.
Mix draw_mix(const Rng& rng, std::span<const std::string> from, double quiet = 0.05);

// {"partition":{"shape":{"bridge":7,"halves":0,…}},"kill":{}}
Value to_value(const Mix& mix);
// Strict: unknown packages, questions and words are bad input.
Result<Mix> mix_from_value(const Value& value);

struct ScheduleOptions {
  std::uint64_t seed = 0;
  Duration duration = std::chrono::seconds(30);  // decisions begin and end within it
  Duration begin{};                              // nothing before
  // scale: a fault lasts 0.1 to 20 of it, log-uniform, and so do the gaps, times a factor of the run.
  Drawing drawing;
  Nodes nodes;  // of the cluster; for triggers
  // Names of frames: then decisions may begin at the n-th of them on a link, or at a change of role. Empty: all begin at times.
  std::vector<std::string> frames;
  std::size_t limit = 1000;          // decisions; the earliest are kept
  std::optional<Duration> interval;  // the mean time a fault lasts, instead of the dwell above: within 30 % of it
};

// Bad input: an unknown package, options out of range.
Result<Schedule> draw_schedule(const Mix& mix, const ScheduleOptions& options);

// A new mix for each stable period, of which every fourth is quiet.
Result<Schedule> draw_rotation(std::span<const std::string> from, Duration period, const ScheduleOptions& options);

// What to run together under one name; for the matrix of planted bugs.
struct Preset {
  std::string_view name;
  std::string_view description;
  std::span<const std::string_view> packages;
  bool swarm;  // packages and tastes are drawn per run; else all of these, with tastes drawn per run
  // What else a simulated run is told, by the names of its options: {"snapshot_entries", "16"}.
  std::span<const std::pair<std::string_view, std::string_view>> settings;
};

// none, kill, partition, directed, frames, power, io, pause, clock, membership, snapshot, swarm, default.
std::span<const Preset> presets();
// Bad input: an unknown name, with its nearest match.
Result<const Preset*> find_preset(std::string_view name);
// All packages of the preset, or a draw of them, each with a taste of this run.
Mix mix_of(const Preset& preset, const Rng& rng);

}  // namespace faultline
