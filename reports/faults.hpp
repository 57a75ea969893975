// Faults: from the nemesis' notes in a history to intervals that can be drawn and counted.
//
// A note of process -1 whose f is `start-KIND` opens a band, `stop-KIND` closes it, `heal-all` closes all; each may be
// followed by its completion, which carries what was really done. Notes may come from any harness, so everything is
// optional and nothing is trusted.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <faultline/history.hpp>

namespace faultline::reports {

struct FaultBand {
  std::string kind;                // "partition", escaped
  std::string target;              // "n1 | n2 n3", "n1", "bridge"; may be empty
  std::set<std::string> affected;  // nodes whose lanes are tinted, as recorded
  EventIndex from = 0;
  EventIndex to = none;  // none: still on at the end
  std::string label() const { return target.empty() ? kind : kind + " " + target; }
};

// In order of their start.
std::vector<FaultBand> fault_bands(const History& history);

// Whether an operation was under way while a band was on: the intervals share a moment. An open operation counts up to
// its last event.
bool overlaps(const History& history, const FaultBand& band, OperationIndex operation);

// What was going on when an operation began: "1.2 s into partition n1 | n2 n3", "0.4 s after resume of n1", or empty.
// Prefers faults that affect the operation's node.
std::string fault_phase(const History& history, const std::vector<FaultBand>& bands, OperationIndex operation);

}  // namespace faultline::reports
