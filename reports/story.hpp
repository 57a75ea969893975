// Story: what a report says first: tone, verdict, one sentence, and the findings in the order they are told.
//
// Every format takes its words from here or from the checker's own sentences, so that all of them say the same.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/report.hpp>

namespace faultline::reports {

enum class Tone : std::uint8_t { good, bad, unknown, broken };
Tone tone(const ReportInput& input);
std::string_view glyph(Tone tone);

// The verdict that counts once the ending and the faults' effects are taken into account.
VerdictKind effective_verdict(const ReportInput& input);

// "linearizability" or "convergence": what the verdict is about.
std::string property(const ReportInput& input);

struct KeyCounts {
  std::size_t valid = 0, invalid = 0, unknown = 0, total = 0;
};
KeyCounts key_counts(const ReportInput& input);

// All anomalies of one class; the first of them tells it.
struct Finding {
  std::string name;  // the class
  std::string sentence;
  Value key;
  const Anomaly* first = nullptr;  // null if an invalid key was not explained
  std::size_t count = 0;           // anomalies of this class
};
// Most telling first. Empty unless the verdict is invalid.
std::vector<Finding> findings(const ReportInput& input);

// How much of the history says something about the system under faults.
struct Coverage {
  std::size_t operations = 0, ok = 0, fail = 0, open = 0, under_fault = 0;
};
Coverage coverage(const History& history);
// The same for the operations that ran under one kind of fault.
struct FaultCoverage {
  std::string kind;
  std::size_t count = 0;  // how often it was on
  Coverage under;
};
// In order of first appearance.
std::vector<FaultCoverage> fault_coverage(const History& history);

// "report.html" of the run, or what the caller wrote; empty if there is none.
std::string report_file(const ReportInput& input);
std::string minimal_file(const ReportInput& input);
std::string certificate_file(const ReportInput& input);
std::string history_file(const ReportInput& input);

struct Command {
  std::string line;  // ready for a POSIX shell
  std::string note;  // "exit 1", "same schedule only"
};
// Repeat the run, check the counterexample, verify the certificate: those that make sense here, best first. Never
// empty.
std::vector<Command> commands(const ReportInput& input);

}  // namespace faultline::reports
