// Timeline: where everything of one anomaly's picture stands. Layout only; timeline_svg.hpp draws it.
//
// One lane per process, in order of first invocation (of many, those of the contradiction first); true time on one scale (positions in the history if the source
// has no times). The operations of the core are drawn as they were; context operations were relaxed to "may have
// happened at any time after it began", so they have no right edge. Linearization points increase with the steps of the
// prefix and lie inside their operation's interval.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <faultline/verdict.hpp>

#include "time_axis.hpp"

namespace faultline::reports {

struct TimelineBox {
  OperationIndex operation = none;
  std::size_t lane = 0;
  Outcome outcome = Outcome::ok;
  bool context = false;
  bool culprit = false;
  bool open = false;        // runs off the picture
  double x = 0, width = 0;  // as recorded; of an open one up to the right edge
  std::size_t step = 0;     // # in the prefix, from 1; 0: not placed
  double point = 0;         // of its linearization
  std::string label;
  bool label_fits = false;  // else only the tooltip has it
  bool label_ends = false;  // anchored at its end
  double label_x = 0;
  std::size_t label_row = 0;  // rows above the box, from 0
  std::string tooltip;
};

struct TimelineLane {
  std::string label;     // "p4 · n1"
  std::size_t rows = 1;  // of labels
  double y = 0;          // top of the boxes
  double top = 0, bottom = 0;
};

struct TimelineStripe {
  std::string label;
  std::size_t row = 0;
  double x = 0, width = 0;
  bool began_before = false, goes_on = false;
  double label_x = 0;
  bool label_ends = false;
  std::vector<std::size_t> lanes;  // of affected nodes
};

struct Bracket {
  double from = 0, to = 0;
  std::size_t from_lane = 0, to_lane = 0;
  std::string label;
};

struct Timeline {
  double width = 0, height = 0;
  double left = 0, right = 0;  // of the area where time runs
  double lanes_top = 0, lanes_bottom = 0, axis_y = 0;
  double box_height = 22;
  bool timed = false;
  std::vector<TimelineLane> lanes;
  std::vector<TimelineBox> boxes;
  std::vector<TimelineStripe> stripes;
  std::vector<AxisBreak> breaks;
  std::vector<Tick> ticks;
  std::string axis_title;
  std::optional<Bracket> bracket;
  std::size_t left_out = 0;  // operations that are not drawn
  std::size_t stripes_left_out = 0;
  std::vector<std::string> remarks;  // what is left out, for people
};

inline constexpr std::size_t timeline_roomy_lanes =
    16;  // more stand close, and most of their labels are left to tooltips
inline constexpr double timeline_label_height = 16;
inline constexpr double timeline_stripe_height = 18;
inline constexpr double timeline_character = 7.3;  // width of one column of the label font

Timeline lay_out(const History& history, const Anomaly& anomaly, double width);

}  // namespace faultline::reports
