// TimeAxis: maps true time to a horizontal coordinate on one scale, cutting idle stretches when they would leave no
// room for the rest.
//
// A cut stretch takes a fixed width, is drawn as a break and carries its length; everything else keeps one scale. The
// mapping is total and never falls, so that anything may be placed. Times are nanoseconds; a source without times uses
// positions instead and has no breaks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace faultline::reports {

// A stretch in which something happens; `from` == `to` for a moment.
struct Busy {
  std::int64_t from = 0;
  std::int64_t to = 0;
};

struct AxisBreak {
  std::int64_t from = 0, to = 0;  // what is left out
  std::int64_t idle = 0;          // length of the whole idle stretch
  double x = 0, width = 0;
};

struct Tick {
  double x = 0;
  std::string label;
};

class TimeAxis {
 public:
  // Room from `left` to `right`; `tail` of it is kept free at the end for operations that never returned. `cuts`:
  // whether idle time may be cut. REQUIRES: !busy.empty(), left + tail < right.
  TimeAxis(std::vector<Busy> busy, double left, double right, double tail, bool cuts);

  [[nodiscard]] double x(std::int64_t time) const;
  [[nodiscard]] std::int64_t begin() const { return points_.front().time; }
  [[nodiscard]] std::int64_t end() const { return points_.back().time; }
  [[nodiscard]] const std::vector<AxisBreak>& breaks() const { return breaks_; }
  // At least `spacing` apart, labelled in the unit, counted from `zero`.
  [[nodiscard]] std::vector<Tick> ticks(double spacing, std::int64_t zero) const;
  // The unit of the labels: "ns", "us", "ms", "s".
  [[nodiscard]] std::string unit(double spacing) const;

 private:
  struct Point {
    std::int64_t time;
    double x;
  };
  [[nodiscard]] std::int64_t step(double spacing) const;

  std::vector<Point> points_;  // corners of the piecewise linear map
  std::vector<AxisBreak> breaks_;
  double scale_ = 0;  // coordinate units per nanosecond outside breaks
};

}  // namespace faultline::reports
