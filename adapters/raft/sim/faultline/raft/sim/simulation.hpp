// run_simulation(): one run of the in-tree Raft in the simulated world, from one seed; and what it showed.
//
//   run_simulation({.seed = 7})                                               everything drawn from the seed
//   run_simulation({.seed = 7, .nodes = 5, .nemesis = {{"partition"}}})       this much given
//   run_simulation(result.run)                                                the same again, to the last bit
//
// Shrinking: take result.run, delete decisions of its `schedule`, lower its sizes, run again, compare signature().
//
// A SimRun leaves open whatever it does not name; drawn() fills that in from the seed and from nothing else (swarm: kinds of faults are
// off in some runs, sizes, rates and timeouts differ), and each option is drawn from a stream of its own name, so that naming one leaves
// the others alone. A run whose options are all named is a replay: run_simulation(drawn(run)) and run_simulation(run) are the same to
// the last bit, on every machine and in every build, and have equal hashes. to_value() and sim_run_from_value() write and read it.
//
// Phases of a run
//   safety     the workload runs under the faults of the nemesis packages, or of a schedule given; invariants hold after every step
//   liveness   a quorum core is drawn; its nodes run, its links and disks are whole; every fault outside stays as it is, for good.
//              Within a bound of virtual time the core must acknowledge a write and agree on applied index and state; known excuses
//              are subtracted and named
//   end        everything is healed, outstanding operations drain, final reads are done; then the checker judges the history
//
// Detectors (each finding names its own)
//   ES LM LC SMS MON RD AP D CFG CQ   invariants: see invariants.hpp
//   L                              the liveness phase did not converge
//   H                              the checker finds the history invalid; with an anomaly class, "stale-read"
//
// Errors. What a run finds is data in SimResult. `failure` is set when the run itself is of no use: options that make no sense
// (bad_input), a schedule that this world cannot do (environment), a world that broke its contract. An FL_ASSERT that fails inside the
// Raft ends the process, as everywhere; it prints "seed N" of this run.
//
// Threads: runs are independent of each other; one thread each, any number at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <faultline/history.hpp>
#include <faultline/result.hpp>
#include <faultline/schedule.hpp>
#include <faultline/sim/options.hpp>
#include <faultline/swarm.hpp>
#include <faultline/verdict.hpp>

namespace faultline::raft::sim {

enum class Detectors : std::uint8_t {
  all,
  history,  // H alone, as for a stranger's system: neither invariants nor the liveness phase
};

// What to run. Whatever is absent is drawn from the seed.
struct SimRun {
  std::uint64_t seed = 0;

  // The system: as raftd's flags.
  std::optional<std::size_t> nodes;       // 3 to 7 when drawn; 1 to 9
  std::optional<std::size_t> spares;      // further ones that a change of membership may take in; 0 to 3
  std::optional<std::string> reads;       // index, lease or local; never `local` when drawn
  std::optional<double> max_clock_drift;  // R of lease reads: no clock is faster than 1 + R or slower than 1 - R
  std::optional<bool> pre_vote;           // on when drawn
  std::optional<bool> fsync;              // on when drawn
  std::optional<Duration> election_timeout;
  std::optional<Duration> heartbeat;
  std::optional<std::uint64_t> snapshot_entries;  // 0: never
  // Its bounds: small ones reach in seconds what would take a real cluster hours.
  std::optional<std::uint64_t> segment_bytes;    // of the log on disk
  std::optional<std::uint64_t> compaction_tail;  // entries kept behind a snapshot
  std::optional<std::uint64_t> chunk_bytes;      // of a snapshot on its way
  std::optional<std::uint64_t> batch_bytes;      // of entries in one append; 1: one entry each
  std::optional<std::uint64_t> window_messages;  // appends unanswered by one follower
  // Of the store's history; the leader has older ones compacted now and then, as every user of such a store must. 0: all.
  std::optional<std::uint64_t> keep_revisions;

  // The test.
  std::optional<std::string> workload;  // as workload.hpp: register, cas-register, kv-append, set; drawn: not set
  std::optional<std::size_t> concurrency;
  std::optional<double> rate;        // operations per second in all
  std::optional<std::size_t> keys;   // live at a time
  std::optional<Duration> duration;  // of the safety phase
  std::optional<bool> serializable;  // reads of any node's own state: stale by design; off when drawn
  std::optional<bool> retries;       // clients repeat unanswered writes under the sequence number of a session
  std::optional<Duration> operation_timeout;

  // The faults: one of these decides. A schedule is performed as it is; else one is drawn from the mix; else the mix is drawn from the
  // packages named (all of them, with tastes drawn); else from the preset; else from the preset `default`.
  std::optional<Schedule> schedule;
  std::optional<Mix> mix;
  std::optional<std::vector<std::string>> nemesis;  // packages; empty: no faults
  std::optional<std::string> preset;                // its settings hold where this run names nothing
  std::optional<Duration> fault_interval;  // the mean time a drawn fault lasts; absent: 0.1 to 20 election timeouts
  // Lifts the limits inside which a correct Raft must stay correct: clocks may step back, any number of disks may rot.
  bool beyond_model = false;

  // The world's own: delays, latencies, healthy clocks. Seed, names and sizes in it are overwritten by those above.
  std::optional<faultline::sim::SimOptions> world;

  Detectors detectors = Detectors::all;
  bool explain = true;  // the checker names the anomaly of a violation and shrinks it; costs only when there is one
  bool trace = false;   // keep SimResult::trace
  std::size_t trace_frames = 0;  // and the last so many frames and disk calls in it
  std::uint64_t hash_every = 0;  // keep SimResult::hashes, one every so many steps

  friend bool operator==(const SimRun&, const SimRun&) = default;
};

// The same run with nothing left open, but for `nemesis`, `preset` and `fault_interval` once they have become a mix and a schedule. Bad
// input: options out of range, unknown names (with the nearest match).
Result<SimRun> drawn(const SimRun& run);

// {"seed":7,"nodes":5,"reads":"index","election_timeout":"1s",…,"schedule":{…}}; what is absent is left out.
Value to_value(const SimRun& run);
// Strict: an unknown field or a wrong type is bad input.
Result<SimRun> sim_run_from_value(const Value& value);
// One option as on a command line, by the name of its field: "nodes" "5", "reads" "lease", "election_timeout" "500ms", "nemesis"
// "partition,kill". Bad input: no such option (with the nearest match), or a text that is no value of it.
Result<void> set_option(SimRun& run, std::string_view name, std::string_view text);

// An invariant that did not hold. At most 20 are kept, and one run ends soon after the first.
struct Violation {
  std::string detector;  // "SMS"
  std::string sentence;  // "n2 applied 17/4 put "a" "1" where n1 had applied 17/3 put "a" "2""
  Instant time{};        // virtual, since the run began
  std::uint64_t step = 0;

  friend bool operator==(const Violation&, const Violation&) = default;
};

struct Liveness {
  enum class Kind : std::uint8_t {
    not_checked,  // detectors, or a violation before it
    converged,
    excused,  // not to be expected of this core: `text` says why
    failed,
  };
  Kind kind = Kind::not_checked;
  std::vector<NodeName> core;
  Duration took{};   // from the draw of the core
  std::string text;  // one sentence
};
std::string_view to_string(Liveness::Kind kind);

// For the story of a run: a decision of the nemesis, a role taken, a crash, a refusal to start, a violation.
struct TraceLine {
  Instant time{};
  std::uint64_t step = 0;
  NodeName node;     // empty: none in particular
  std::string kind;  // "fault", "heal", "role", "boot", "crash", "refused", "snapshot", "config", "frame", "violation"
  std::string text;  // "n1 is leader of term 2"

  friend bool operator==(const TraceLine&, const TraceLine&) = default;
};

struct SimResult {
  SimRun run;  // with nothing left open
  History history;
  Verdict verdict;  // of the history: detector H
  std::vector<Violation> violations;
  Liveness liveness;
  // "n2: wal/…: …": nodes that did not start or ended by themselves, which may be right, and what could not be healed; in order.
  std::vector<std::string> refusals;
  Schedule done;                 // what was really done: the decisions that fired, at their times, resolved
  std::string vacuous;           // not empty: why the run proves nothing
  std::optional<Error> failure;  // not empty: the run is of no use

  // Determinism.
  std::uint64_t hash = 0;                      // rolling, over every field of every event
  std::map<std::string, std::uint64_t> draws;  // per random stream
  std::vector<std::uint64_t> hashes;           // every SimRun::hash_every steps

  // Cost and coverage.
  std::uint64_t steps = 0;  // events executed
  Duration virtual_time{};
  std::map<std::string, std::uint64_t> counters;  // elections, frames, syncs, crashes, operations ok, …
  std::map<std::string, std::uint64_t> probes;    // by name, all that there are: how often each situation occurred
  std::vector<TraceLine> trace;                   // if asked for

  // Whether something is wrong with the system under test.
  [[nodiscard]] bool failed() const { return !signature().empty(); }
  // What makes two failures the same to a shrinker: the first invariant "I:SMS", else "H:stale-read", else "L"; empty: nothing failed.
  // With Detectors::history only H can be.
  [[nodiscard]] std::string signature() const;
  // Every detector that fired, in the order I, H, L: {"I:SMS", "I:D", "H:stale-read"}.
  [[nodiscard]] std::vector<std::string> detectors() const;
};

// The names of frames, as triggers and traces have them.
std::span<const std::string_view> frame_names();

// Bad or impossible options come back in SimResult::failure.
SimResult run_simulation(const SimRun& run);

// What the fault port of this world can do with that fault; for refusing a schedule before anything runs.
Result<void> supports(const SimRun& run, const Fault& fault);

// The names of all probes, sorted: SimResult::probes has each of them, also at 0.
std::vector<std::string_view> probe_names();

}  // namespace faultline::raft::sim
