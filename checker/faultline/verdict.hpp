// Verdict: what the checker found, with everything a report, a certificate and an exit code need. Plain data, no behaviour.
//
// Operations are named by their OperationIndex in the History that was checked. Sentences are plain text, rendered once here so that
// the terminal, JSON, JUnit, Markdown and HTML all carry the same words; values in them are already escaped and clipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <faultline/history.hpp>

namespace faultline {

// Ranked: when several are combined, the largest wins.
enum class VerdictKind : std::uint8_t { valid, unknown, invalid };
std::string_view to_string(VerdictKind kind);

// What a search did and what it cost.
struct SearchCost {
  std::uint64_t configurations = 0;  // visited; of engines that visit none, their steps
  std::uint64_t peak_bytes = 0;      // counted by the engine's arenas
  Duration time{};                   // zero when no clock was given
};

struct KeyVerdict {
  Value key;  // null for an unkeyed history; a list of keys when multi-key operations joined them
  VerdictKind kind = VerdictKind::valid;
  std::string engine;  // the one that decided: "frontier", "zones", …; "none" if there was nothing to search
  std::size_t operations = 0;
  std::size_t longest_prefix = 0;  // completed operations in the deepest legal prefix
  SearchCost cost;
  std::vector<OperationIndex> order;  // valid and CheckOptions::certify: a complete legal order
  std::string reason;                 // for unknown: which budget ran out; empty otherwise
};

// One row of the longest legal prefix.
struct PrefixStep {
  OperationIndex operation = none;
  std::string state;  // after the step, for people: "3", "nil", "[1 2]", "held by process 4"
};

// Why an operation that may come next cannot.
struct Candidate {
  OperationIndex operation = none;
  bool legal = false;  // an open operation may be legal and still not help; `why` then says what stays stuck
  std::string needs;   // "3"
  std::string has;     // "5"
  std::string
      why;  // the model's own sentence: "read by process 3 (line 40) returned 1, but the register holds 4 (line 17)"
};

// Why one key is not linearizable.
struct Anomaly {
  Value key;
  std::string name;               // the class: "stale-read", "lost-update", …; "no-legal-order" when none is proved
  std::string sentence;           // the contradiction, complete: who saw what, what it contradicts, the real-time gap
  OperationIndex culprit = none;  // the operation that cannot be placed
  OperationIndex contradicted = none;  // what it contradicts, if one operation can be named
  std::optional<Duration> gap;         // between the end of the earlier and the start of the later of these two
  std::vector<OperationIndex> core;  // kept with result and deadline: together they admit no legal order; by invocation
  std::vector<OperationIndex> context;  // relaxed to "may have happened": needed so that the core is judged fairly
  OperationIndex since = none;        // of the core, or none: a write before which nothing matters; see certificate.hpp
  bool one_minimal = false;           // every single further relaxation was tried and made it legal
  std::string doubt;                  // why that is not known; empty if it is
  std::vector<PrefixStep> prefix;     // of core + context, linearized as far as it goes
  std::vector<Candidate> candidates;  // up to 8, none of which lets the core go on
};

struct Verdict {
  VerdictKind kind = VerdictKind::unknown;
  std::string model;
  std::string engine;      // of the worst key; "mixed" if all keys are valid under different engines
  std::string reason;      // one sentence; empty when valid
  std::string unfinished;  // not empty: what ended reading or preparation, before any key was looked at
  std::size_t operations = 0;
  std::size_t keys = 0;
  std::size_t failed_operations = 0;  // dropped: certainly no effect
  std::size_t open_operations = 0;    // info or never completed
  std::vector<KeyVerdict> by_key;     // worst first, then in order of first appearance
  std::vector<Anomaly> anomalies;     // one per invalid key that was explained, most telling first
  std::vector<std::string> ignored;   // whatever was counted and left out, for stderr and verdict.json
  SearchCost cost;                    // of all: visited summed, the most bytes of any, the time from first to last
  Duration explaining{};              // the part of that time in which anomalies were shrunk and named
};

}  // namespace faultline
