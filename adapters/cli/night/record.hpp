// A Record is what one finished run showed, as one line of results.jsonl.
//
// A campaign appends one line per finished run and syncs it: a run is done when its line is there, and not before. A line that has no end
// is of a process that was killed while it wrote; it does not count. What depends on the machine and the hour stands apart, in
// `measured`: of a simulated run everything else is the same wherever and whenever it runs.
//
// The shape of a failure, the last part of its signature, is of the smallest scenario: of a simulated run the kinds of faults, the nodes
// and the clients that the shrunk schedule still has; of a live one the operations of the minimal history in order of invocation.
#pragma once

#include <faultline/result.hpp>
#include <faultline/time.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "night/plan.hpp"

namespace faultline::cli::night {

enum class Outcome : std::uint8_t { valid, invalid, unknown, broken };
std::string_view to_string(Outcome outcome);

struct FaultSeen {
  std::string kind;
  std::uint64_t count = 0;
  bool bit = false;
};

struct Measured {
  double seconds = 0, seconds_check = 0;  // of the last attempt
  std::uint64_t attempts = 1, peak_rss_bytes = 0;
  std::string directory;                     // of the run, relative to the campaign's; empty: not kept
  std::string earlier;                       // why an earlier attempt broke
  std::uint64_t began_ms = 0, ended_ms = 0;  // since 1970
};

struct Record {
  std::size_t index = none;
  std::string run;  // its id
  Outcome outcome = Outcome::broken;
  std::vector<std::string> classes;  // of what was violated, the one that counts first
  std::string sentence;              // the reason, if not valid
  bool vacuous = false;              // valid, but no fault had an effect; the outcome is unknown
  std::uint64_t operations = 0, ok = 0, info = 0, under_fault = 0, leader_changes = 0;
  std::vector<FaultSeen> faults;
  std::map<std::string, std::uint64_t> probes;  // those that were hit
  std::string hash;                             // of a simulated run: the same steps
  std::string shape, shrunk, story;             // of a failure
  std::string first_failing;                    // version
  Measured measured;

  [[nodiscard]] std::string anomaly() const { return classes.empty() ? "" : classes.front(); }
};

// One line, with its end. Without `measured` the line of a simulated run is reproducible.
std::string to_line(const Record& record, bool with_measured);
Result<Record> record_from(std::string_view line);

// What a run printed (one JSON object) and its exit code, as a record without shape. A broken run says so: exit codes 3, 64 and any that
// does not belong to what was printed, and output that cannot be read.
Record read_outcome(const Plan& plan, const RunSpec& run, int exit_code, std::string_view printed);
// The run directory that the output names; empty: none.
std::string directory_in(const Plan& plan, const RunSpec& run, std::string_view printed);

// From what `faultline shrink` printed and the scenario it wrote (simulated) or the minimal history (live).
void add_scenario(Record& record, std::string_view printed, std::string_view scenario);
void add_minimal(Record& record, std::string_view history);
// From what `faultline shrink --faults` printed of a live run. The shape stays that of the history: which faults are left is partly luck.
void add_faults(Record& record, std::string_view printed);

}  // namespace faultline::cli::night
