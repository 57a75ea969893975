// Effects: did the faults bite? Read from the notes of a history and the extras of its completions, for reports and for
// the verdict: a run whose faults all missed proves nothing.
#pragma once

#include <faultline/history.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace faultline {

struct KindEffect {
  std::string kind;
  std::size_t count = 0;   // faults applied
  std::size_t failed = 0;  // asked for, but not applied
  std::string error;       // of the first that failed
  // Summed over start, stop and heal-all; a list or map of nodes counts its entries: {"dropped_packets": 812, "killed":
  // 2}.
  std::map<std::string, std::int64_t> counters;
  std::size_t leader_changes = 0;  // while one was active
  bool bit = false;                // a counter that shows an effect of this kind is above zero
  std::string text;                // "812 packets dropped, 3 leader changes", "no effect"
};

// By kind, in order of first appearance.
std::vector<KindEffect> fault_effects(const History& history);

// How often the highest term (`raft_term`) any completion told of rose; without terms, how often `leader` changed.
std::size_t leader_changes(const History& history);

// Why the faults of this run prove nothing: none bit, or no operation succeeded after the first one began. Empty if
// they do prove something, or if none was requested.
std::string vacuous(const History& history, std::span<const std::string> requested);

}  // namespace faultline
