// The nemesis: packages of faults by name, composed into one generator for process -1; and the process that performs
// what it asks.
//
// A history shows it as notes, `start-KIND` and `stop-KIND`, at the end `heal-all`. An invocation's value is the fault
// as asked for, {"kind":"partition","parameters":{"shape":"primaries"}}; its completion's (always info) the fault as it
// was resolved and what was done: {"kind":"partition","grudge":{…},"parameters":{…},"done":{"dropped_packets":812}},
// with the extra `error` if it failed.
//
// A kind is what is done (a power loss is a kill whose disk forgets); a package is what may be asked for by name, with a taste for its
// kinds, targets and sizes.
//
// To run several packages at once, kinds take turns: a shuffled deck, so that each kind comes early; sometimes a second
// kind begins before the first has ended. The first fault of each kind hits the primaries, so that a short run, too,
// sees the leader change.
#pragma once

#include <faultline/fault.hpp>
#include <faultline/generator.hpp>

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace faultline {

// How a counter of a fault's completions shows that it bit.
struct Evidence {
  std::string_view counter;  // "dropped_packets"
  std::string_view text;     // "packets dropped"
};

// What can be done to a system, whoever asks for it.
struct Kind {
  std::string_view name;
  std::string_view colour;  // of its band in reports; a name of the palette there
  std::string_view description;
  std::span<const Evidence> evidence;
};

// partition, kill, restart, upgrade, pause, membership, clog, swizzle_clog, packet, crash_point, clock, io_error, fsync_error, enospc, slow_disk,
// bit_flip, truncate, wipe, pressure.
std::span<const Kind> kinds();
// nullptr if there is none of that name.
const Kind* find_kind(std::string_view name);

// What a package leaves to chance, as weighted words: which shape, which disk, how large.
struct Choice {
  std::string_view word;
  std::uint64_t weight;  // as a live run has it
};
struct Question {
  std::string_view name;
  std::span<const Choice> choices;
};

// How one run likes a package's faults: other weights for some of its questions, in the order of their choices.
using Taste = std::map<std::string, std::vector<std::uint64_t>, std::less<>>;

// What a package is told when it draws a fault.
struct Drawing {
  bool first = false;                        // of this run: hits the primaries, where the kind has targets
  Duration lasts = std::chrono::seconds(5);  // about how long
  Duration scale = std::chrono::seconds(1);  // the system's election timeout: durations are drawn around it
  std::size_t clients = 0;                   // c0 … c<n-1>; 0: not known, none is named
  std::vector<std::string> files;            // globs of the files a disk fault may be about; empty: any file
  std::optional<double> drift;               // what the system was promised of monotonic clocks; none: nothing
  std::size_t versions = 1;                  // of the daemon, that upgrades choose from
  const Taste* taste = nullptr;              // null: the package's own weights
};

struct Package {
  std::string_view name;  // as in --nemesis
  std::string_view kind;  // of its faults; of packages with several the first
  std::string_view description;
  std::span<const Question> questions;
  // The fault to ask for next.
  Fault (*draw)(const Drawing& drawing, Rng& rng);
};

// partition, kill, rolling, upgrade, pause, membership: what live clusters take, too. directed, clog, packet, frames, power, crash, clock, disk, wipe,
// pressure, plays.
std::span<const Package> packages();
// Bad input: an unknown name, with its nearest match.
Result<const Package*> find_package(std::string_view name);

struct NemesisOptions {
  std::uint64_t seed = 0;
  // The mean time a fault lasts; gaps last 0.6 of it. Both are drawn within 30 % of the mean; the first gap is half as
  // long.
  Duration interval = std::chrono::seconds(5);
  std::map<std::string, Duration> intervals;         // by package, where it differs
  double overlap = 0.25;                             // how often a second kind joins in the middle of a fault
  std::map<std::string, Taste, std::less<>> tastes;  // by package, where it differs
  Drawing drawing;                                   // `first`, `lasts` and `taste` are filled in for each fault
};

struct Nemesis {
  Generator faults;  // endless; for on_nemesis() or by_role(); exhausted if no package was asked for
  Generator heal;    // for Plan::heal
};

// Bad input: an unknown or repeated name (with its nearest match), an interval for a package not asked for, values out
// of range.
Result<Nemesis> make_nemesis(std::span<const std::string> names, const NemesisOptions& options);

// Process -1 at work, for worlds: resolves the faults it is asked for, applies and heals them through the port,
// remembers what is active. One owner; perform() blocks as long as the port does, so a live world calls it from a
// thread of its own.
class NemesisProcess {
 public:
  explicit NemesisProcess(Rng rng) : rng_(std::move(rng)) {}

  // The completion: same process, f, key and extras, type info, no time. Never throws; whatever fails is in its `error`. A
  // `stop` ends the oldest active fault that was asked for with the same value; a fault with explicit nodes or grudge
  // even if it is not remembered. A fault that could not be applied stays active, for it may have been applied in part.
  Event perform(const Event& invocation, FaultPort& port);

 private:
  struct Active {
    Value asked;
    Fault fault;
  };
  Event start(const Event& invocation, FaultPort& port);
  Event stop(const Event& invocation, FaultPort& port);
  Event heal_all(const Event& invocation, FaultPort& port);

  Rng rng_;
  std::uint64_t decisions_ = 0;
  std::deque<Active> active_;
};

// The fault in a note's value, without what was done.
Result<Fault> fault_of_note(const Value& value);

}  // namespace faultline
