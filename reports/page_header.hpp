// The header of the page's data: names, verdicts, faults, what the nodes reported; see page_data.hpp for where it stands.
//
// JSON, one object; lists named with an index are those of the header itself:
//   schema 1 · unit: nanoseconds of a tick · timed: false if ticks are positions in the history · origin: nanoseconds from the run's begin
//   to tick 0 · last: the last tick · total: operations of the history · carried · stride · lanes · lines: whether they are known
//   functions, observers (those that only look) · keys · nodes · errors · values
//   columns: their names, in order
//   faults: {label, kind, from, to or null, nodes}, in ticks
//   verdicts: [label, kinds valid 0, unknown 1, invalid 2, operations, longest prefix, engine, reason, keys], failed first
//   anomalies: {key, name, sentence, culprit, contradicted, core, context, prefix: [[operation, state]]}, by carried operation
//   terms: [tick, term, leader]: whenever one of them changed · node_terms: [node, tick, term, role] likewise
//   offsets: [node, tick, seconds]: clocks as the nemesis measured them
//   logs: {node, file, lines: [[tick, text]], left_out, bytes_left_out}
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <faultline/report.hpp>

namespace faultline::reports {

// From events to ticks of the page's axis.
class PageClock {
 public:
  PageClock(const History& history, std::int64_t unit);
  [[nodiscard]] std::int64_t tick(const History& history, EventIndex e) const {
    return timed_ ? (history.time(e).time_since_epoch().count() - first_) / unit_ : std::int64_t{e};
  }
  [[nodiscard]] std::int64_t tick(Duration since_begin) const { return (since_begin.count() - first_) / unit_; }
  // Notes may lack a time where operations have one.
  [[nodiscard]] bool knows(const History& history, EventIndex e) const { return !timed_ || history.time(e) != no_time; }
  [[nodiscard]] bool timed() const { return timed_; }
  [[nodiscard]] std::int64_t unit() const { return timed_ ? unit_ : 1; }
  [[nodiscard]] std::int64_t origin() const { return timed_ ? first_ : 0; }
  [[nodiscard]] std::int64_t last() const { return last_; }

 private:
  std::int64_t unit_;
  bool timed_;
  std::int64_t first_ = 0;  // nanoseconds
  std::int64_t last_ = 0;   // tick
};

struct PageHeader {
  std::size_t operations = 0;
  std::size_t stride = 1;
  bool lines = false;
  std::size_t lane_count = 0;
  std::vector<std::string> nodes, errors, values;  // harmless
  const std::vector<bool>* carried = nullptr;
};

std::string page_header_json(const ReportInput& input, const PageClock& clock, const PageHeader& header);

}  // namespace faultline::reports
