// The plan of a campaign: from a TOML file to the list of its runs, in an order that depends on nothing but the file.
//
//   name = "nightly"                          history = "nights"           # a folder with one small file per night
//   [budget]  run = "2m"  total = "55m"  parallel = 4  parallel-live = 2  retries = 1  shrink = "60s"  candidates = 200  shrink-live = "5m"  disk = "2GiB"
//   [targets.raft-sim]   world = "sim"        # any option of `faultline sim` (of `run` for world = "live") may follow
//   versions = ["0.1=/opt/0.1/faultline", "0.2=/opt/0.2/faultline"]        # oldest first: which is the first that fails?
//   [matrix]                                  # or several, each [[matrix]]
//   target = ["raft-sim", "raft"]             # a name from [targets], or raft, etcd (live), sim
//   workload = ["register", "cas-register"]   nemesis = ["partition,kill", "none", "preset:swarm"]     seeds = "1..20"
//   nodes = [3, 5]                            # any other option: a list multiplies, one value holds for all
//   swarm = { concurrency = [4, 10], nemesis = ["kill", "pause"] }         # drawn for each run by its seed
//   [[canary]]  name, expect = ["stale-read"], and the keys of a matrix: a planted bug that has to be found
//   [[known]]   target, class, until = 2027-03-01, why, and if wanted workload and nemesis: not a failure before that day
//
// A run is one seed in one cell (target, workload, mix of faults, further lists). Swarm (Groce et al., "Swarm testing", ISSTA 2012):
// each option is drawn from its list, each package of faults is in or out with even odds, from streams of their own name.
//
// Pure. Every problem of the file is found at once, each with line and column; nothing here looks at the machine.
#pragma once

#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace faultline::cli::night {

// Of the file: 1-based.
struct Place {
  std::size_t line = 0, column = 0;
};

using Options = std::map<std::string, std::string>;  // name of an option of `run` or `sim` -> its text

struct Version {
  std::string name;
  std::string path;  // a faultline program, or a folder that is searched first for the programs of the system
};

struct Target {
  std::string name;
  bool simulated = false;
  Options options;
  std::vector<Version> versions;  // oldest first
  Place place;
};

struct Canary {
  std::string name;
  std::vector<std::string> expect;  // classes; any of them
};

struct Known {
  std::string target, workload, nemesis;  // empty: any
  std::vector<std::string> classes;
  std::string until;  // "2027-03-01": the last day on which it is no failure
  std::string why;
};

struct Budget {
  Duration run = std::chrono::minutes(5);  // one run with everything; more is a failure of the harness
  Duration total = Duration::max();        // no run begins after that
  std::size_t parallel = 0;                // runs at once; 0: one per core
  std::size_t parallel_live = 0;           // live runs among them; 0: half
  std::size_t retries = 1;                 // of a run that the harness could not finish
  Duration shrink = std::chrono::seconds(60);
  std::size_t candidates = 200;  // smaller runs tried per failure; 0: failures are not shrunk
  // The schedule of a live failure that is not known is run again with fewer faults for so long; 0s: it is not.
  Duration shrink_live = std::chrono::minutes(5);
  std::uint64_t disk = 2ULL << 30;
};

inline constexpr std::size_t none = static_cast<std::size_t>(-1);

struct RunSpec {
  std::size_t index = 0;
  std::string id;  // "0007-raft-sim-register-partition-3": a name for a folder
  std::size_t target = 0, cell = 0;
  std::size_t canary = none;
  std::uint64_t seed = 0;
  Options options;  // with workload and nemesis
};

struct Cell {
  std::size_t target = 0, canary = none;
  std::string workload, nemesis;  // nemesis with further lists behind it: "kill nodes=5"
};

struct Plan {
  std::string name, history;  // history: as written; empty: none
  Budget budget;
  std::vector<Target> targets;
  std::vector<Canary> canaries;
  std::vector<Known> known;
  std::vector<Cell> cells;
  std::vector<RunSpec> runs;
  std::string hash;  // of all that decides what is run

  [[nodiscard]] bool simulated(const RunSpec& run) const { return targets[run.target].simulated; }
};

// `path` is for messages. Bad input: all problems, one a line.
Result<Plan> read_plan(std::string_view path, std::string_view bytes);

// What follows `faultline`, but for --json and --out.
std::vector<std::string> command_of(const Plan& plan, const RunSpec& run);

// The known failure that covers this, whatever its date; nullptr: none.
const Known* known_for(const Plan& plan, const Cell& cell, std::string_view anomaly);
// "H:stale-read" of the simulator is the same class as "stale-read".
bool same_class(std::string_view a, std::string_view b);

}  // namespace faultline::cli::night
