// What nodes said of themselves while they were tested: who led in which term, as far as clients and logs tell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <faultline/report.hpp>

namespace faultline::reports {

// When something was seen: an event of the history, or a moment of a log.
struct Moment {
  EventIndex event = none;
  Duration since{};  // the run's begin, if there is no event
};

struct TermPoint {
  Moment at;
  std::int64_t term = 0;
  std::string leader;  // empty: not known
};
struct NodeTerm {
  std::string node;
  Moment at;
  std::int64_t term = 0;
  std::string role;  // "leader", as the node's log says; empty if only clients saw the term
};

struct Terms {
  std::vector<TermPoint> overall;  // whenever the highest term seen, or its leader, changed
  std::vector<NodeTerm> by_node;   // whenever what one node says of itself changed
};

// In order of time. Clients see a term in an answer ("raft_term", "leader"), logs say who became what: lines of etcd ("became leader at
// term 3") and of the in-tree Raft's events. Logs count only if the history has times.
Terms terms_seen(const ReportInput& input);

}  // namespace faultline::reports
