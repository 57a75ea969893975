// Samples: one history and verdict for each thing a report may have to say, built by hand. The golden files, the structural tests and
// the pages that people look at all use them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <faultline/report.hpp>

namespace faultline::samples {

struct Sample {
  std::string name;
  std::unique_ptr<History> history;
  ReportInput input;  // points at `history`
};

// Each of the kinds a reader may meet.
std::vector<Sample> all();
// Pages that only a browser can judge: what nodes said of themselves; a counterexample 64 operations wide and 400 deep.
std::vector<Sample> pages();
// So many operations by 50 workers on 20 keys under faults, and one read of a value nobody wrote near the end.
// REQUIRES: at least 10.
Sample sized(std::size_t operations);
// A stale read whose every text, from key to file name, is `text`.
Sample hostile(const std::string& text);
// The sample of that name in all(). REQUIRES: there is one.
Sample named(const std::string& name);

}  // namespace faultline::samples
