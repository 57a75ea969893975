#include "timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "faults.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t max_operations = 500;
constexpr std::size_t max_stripes = 12;
constexpr std::size_t max_label_rows = 3;
constexpr double minimum_box = 3;

double text_width(std::string_view text) { return static_cast<double>(columns(text)) * timeline_character; }

std::string node_name(const History& history, OperationIndex o) {
  const Value& node = history.operation_extra(o, "node");
  return node.is_null() ? std::string() : node.is_string() ? std::string(node.as_text()) : node.to_string();
}

class Layout {
 public:
  Layout(const History& history, const Anomaly& anomaly, double width) : history_(history), anomaly_(anomaly) {
    t_.width = width;
  }

  Timeline run() {
    choose_operations();
    if (operations_.empty()) return std::move(t_);
    choose_clock();
    make_lanes();
    place_stripes_in_time();
    const TimeAxis axis = make_axis();
    place_boxes(axis);
    place_points();
    place_labels();
    place_stripes(axis);
    stack();
    place_bracket(axis);
    t_.breaks = axis.breaks();
    if (t_.timed) {
      t_.ticks = axis.ticks(80, begin(operations_.front()));
      t_.axis_title = axis.unit(80) + " since the first operation shown";
      const Duration since = history_.time(history_.invoked(operations_.front())).time_since_epoch();
      const std::string origin = ", which began " + to_text(since) + " into the run";
      if (since > Duration::zero() && text_width(t_.axis_title + origin) < t_.right) t_.axis_title += origin;
    } else {
      t_.axis_title = "order of events (the source has no times)";
    }
    if (t_.left_out > 0)
      t_.remarks.push_back(counted(t_.left_out, "operation") + " farther from the contradiction not drawn");
    if (t_.stripes_left_out > 0) t_.remarks.push_back(counted(t_.stripes_left_out, "further fault") + " not drawn");
    return std::move(t_);
  }

 private:
  void choose_operations() {
    const std::size_t known = history_.operation_count();
    const auto exists = [known](OperationIndex o) { return o < known; };
    std::copy_if(anomaly_.core.begin(), anomaly_.core.end(), std::back_inserter(operations_), exists);
    for (const OperationIndex o : anomaly_.context) {
      if (exists(o) && context_.insert(o).second) operations_.push_back(o);
    }
    // A contradicted operation that failed is no part of the core: it had no effect. It is shown all the same.
    if (anomaly_.contradicted != none && exists(anomaly_.contradicted)) operations_.push_back(anomaly_.contradicted);
    std::sort(operations_.begin(), operations_.end());
    operations_.erase(std::unique(operations_.begin(), operations_.end()), operations_.end());
    if (operations_.size() <= max_operations) return;
    // Keep those around the operation that cannot be placed.
    t_.left_out = operations_.size() - max_operations;
    const auto centre =
        std::lower_bound(operations_.begin(), operations_.end(), anomaly_.culprit) - operations_.begin();
    const auto first = std::clamp<std::ptrdiff_t>(centre - static_cast<std::ptrdiff_t>(max_operations) * 3 / 4, 0,
                                                  static_cast<std::ptrdiff_t>(t_.left_out));
    operations_.erase(operations_.begin(), operations_.begin() + first);
    operations_.resize(max_operations);
  }

  void choose_clock() {
    t_.timed = history_.has_times();
    std::set<Instant> moments;
    for (const OperationIndex o : operations_) {
      for (const EventIndex e : {history_.invoked(o), history_.completed(o)}) {
        if (e == none) continue;
        t_.timed = t_.timed && history_.time(e) != no_time;
        moments.insert(history_.time(e));
      }
    }
    t_.timed = t_.timed && moments.size() > 1;
  }

  // Where an event stands: its time, or its position.
  [[nodiscard]] std::int64_t at(EventIndex e) const {
    return t_.timed ? history_.time(e).time_since_epoch().count() : static_cast<std::int64_t>(e);
  }
  [[nodiscard]] std::int64_t begin(OperationIndex o) const { return rank(at(history_.invoked(o))); }
  [[nodiscard]] std::int64_t end(OperationIndex o) const {
    return std::max(begin(o), history_.completed(o) == none ? begin(o) : rank(at(history_.completed(o))));
  }
  // Without times only the order of the events shown matters: they stand one apart.
  [[nodiscard]] std::int64_t rank(std::int64_t t) const {
    if (t_.timed) return t;
    return std::lower_bound(positions_.begin(), positions_.end(), t) - positions_.begin();
  }
  [[nodiscard]] bool ends(OperationIndex o) const {
    return history_.outcome(o) == Outcome::ok || history_.outcome(o) == Outcome::fail;
  }

  void make_lanes() {
    if (!t_.timed) {
      for (const OperationIndex o : operations_) {
        positions_.push_back(history_.invoked(o));
        if (history_.completed(o) != none) positions_.push_back(history_.completed(o));
      }
      std::sort(positions_.begin(), positions_.end());
    }
    std::map<Process, std::size_t> lane_of;
    std::set<Process> processes;
    for (const OperationIndex o : operations_) processes.insert(history_.process(history_.invoked(o)));
    compact_ = processes.size() > timeline_roomy_lanes;
    if (compact_) t_.box_height = 16;
    for (const OperationIndex o : in_lane_order()) {
      const Process process = history_.process(history_.invoked(o));
      const auto [found, added] = lane_of.emplace(process, t_.lanes.size());
      if (added) {
        t_.lanes.push_back({.label = process_text(process), .rows = compact_ ? std::size_t{0} : std::size_t{1}});
        nodes_.emplace_back();
      }
      if (const std::string node = node_name(history_, o); !node.empty()) nodes_[found->second].insert(node);
    }
    for (const OperationIndex o : operations_)
      t_.boxes.push_back({.operation = o, .lane = lane_of.at(history_.process(history_.invoked(o)))});
    double label = 0;
    for (std::size_t i = 0; i < t_.lanes.size(); ++i) {
      if (nodes_[i].size() == 1) t_.lanes[i].label += " · " + outside(*nodes_[i].begin(), 10);
      label = std::max(label, text_width(t_.lanes[i].label));
    }
    t_.left = std::min(label + 14, t_.width * 0.35);
    t_.right = t_.width - 6;
  }

  // The operations in an order whose first mentions are the order of lanes.
  [[nodiscard]] std::vector<OperationIndex> in_lane_order() const {
    std::vector<OperationIndex> order;
    for (const OperationIndex o : {anomaly_.contradicted, anomaly_.culprit}) {
      if (compact_ && std::binary_search(operations_.begin(), operations_.end(), o)) order.push_back(o);
    }
    order.insert(order.end(), operations_.begin(), operations_.end());
    return order;
  }

  void place_stripes_in_time() {
    std::int64_t first = begin(operations_.front());
    std::int64_t last = first;
    for (const OperationIndex o : operations_) {
      first = std::min(first, begin(o));
      last = std::max(last, ends(o) ? end(o) : begin(o));
    }
    for (const FaultBand& band : fault_bands(history_)) {
      if (t_.timed && (history_.time(band.from) == no_time || (band.to != none && history_.time(band.to) == no_time)))
        continue;
      if (rank(at(band.from)) > last || (band.to != none && rank(at(band.to)) < first)) continue;
      shown_bands_.push_back(band);
    }
    if (shown_bands_.size() > max_stripes * 4) {
      t_.stripes_left_out = shown_bands_.size() - max_stripes * 4;
      shown_bands_.erase(shown_bands_.begin(), shown_bands_.end() - static_cast<std::ptrdiff_t>(max_stripes * 4));
    }
    first_ = first;
    last_ = last;
  }

  TimeAxis make_axis() {
    std::vector<Busy> busy;
    bool tail = false;
    for (const OperationIndex o : operations_) {
      busy.push_back({begin(o), ends(o) ? end(o) : begin(o)});
      tail = tail || !ends(o) || context_.contains(o);
    }
    return {std::move(busy), t_.left + 8, t_.right, tail ? 56.0 : 14.0, t_.timed};
  }

  void place_boxes(const TimeAxis& axis) {
    for (TimelineBox& box : t_.boxes) {
      const OperationIndex o = box.operation;
      box.outcome = history_.outcome(o);
      box.context = context_.contains(o);
      box.culprit = o == anomaly_.culprit;
      box.open = !ends(o);
      box.x = axis.x(begin(o));
      box.width = std::max(minimum_box, (box.open ? t_.right : axis.x(end(o))) - box.x);
      const bool with_key = anomaly_.key.is_list();
      box.label = operation_text(history_, o, with_key, 24) +
                  (box.culprit ? " ✗" : " " + std::string(outcome_glyph(box.outcome)));
      box.tooltip = tooltip(o);
    }
  }

  [[nodiscard]] std::string tooltip(OperationIndex o) const {
    std::string text = process_text(history_.process(history_.invoked(o)));
    if (const std::string node = node_text(history_, o); !node.empty()) text += " · " + node;
    text += ": " + operation_text(history_, o, true) + " (" + std::string(to_string(history_.outcome(o))) + ")";
    if (t_.timed) {
      text += ", began " + to_text(elapsed(first_, begin(o))) + " after the first operation shown";
      if (ends(o)) text += ", took " + to_text(elapsed(begin(o), end(o)));
    }
    if (const std::uint32_t line = history_.line(history_.invoked(o)); line > 0) text += fmt::format(", line {}", line);
    return context_.contains(o) ? text + "; context: relaxed to may have happened at any time after it began" : text;
  }

  // The earliest and latest places that keep the order of the prefix inside every interval; as central as these allow.
  void place_points() {
    std::map<OperationIndex, std::size_t> box_of;
    for (std::size_t i = 0; i < t_.boxes.size(); ++i) box_of[t_.boxes[i].operation] = i;
    std::vector<std::pair<std::size_t, std::size_t>> placed;  // step, box
    for (std::size_t i = 0; i < anomaly_.prefix.size(); ++i) {
      const auto found = box_of.find(anomaly_.prefix[i].operation);
      if (found != box_of.end()) placed.emplace_back(i + 1, found->second);
    }
    const auto latest = [this](const TimelineBox& box) {
      return box.open || box.context ? t_.right - 10 : box.x + box.width;
    };
    std::vector<double> limit(placed.size() + 1, t_.right);
    for (std::size_t i = placed.size(); i-- > 0;) limit[i] = std::min(limit[i + 1], latest(t_.boxes[placed[i].second]));
    double reached = t_.left;
    for (std::size_t i = 0; i < placed.size(); ++i) {
      TimelineBox& box = t_.boxes[placed[i].second];
      reached = std::max(reached, box.x);
      const double middle = box.x + std::min(box.width / 2, box.open ? 40.0 : box.width);
      box.step = placed[i].first;
      box.point = std::clamp(std::max(reached, std::min(middle, limit[i])), box.x, std::max(box.x, latest(box)));
      reached = box.point;
    }
  }

  void place_labels() {
    std::vector<std::vector<double>> taken(t_.lanes.size());  // right end per row
    for (TimelineBox& box : t_.boxes) {
      const double width = text_width(box.label);
      box.label_ends = box.x + width > t_.right;
      box.label_x = box.label_ends ? t_.right : box.x;
      const double from = box.label_ends ? t_.right - width : box.x;
      std::vector<double>& rows = taken[box.lane];
      const auto free_row = std::find_if(rows.begin(), rows.end(), [&](double until) { return until + 6 <= from; });
      box.label_row = static_cast<std::size_t>(free_row - rows.begin());
      const bool wanted = !compact_ || box.culprit || box.operation == anomaly_.contradicted;
      box.label_fits = wanted && box.label_row < max_label_rows && from >= t_.left - 4;
      if (!box.label_fits) continue;
      if (free_row == rows.end()) rows.push_back(0);
      rows[box.label_row] = from + width;
      t_.lanes[box.lane].rows = std::max(t_.lanes[box.lane].rows, box.label_row + 1);
    }
  }

  void place_stripes(const TimeAxis& axis) {
    std::vector<double> taken;
    for (const FaultBand& band : shown_bands_) {
      TimelineStripe stripe{.label = band.label()};
      stripe.began_before = rank(at(band.from)) < first_;
      stripe.goes_on = band.to == none || rank(at(band.to)) > last_;
      stripe.x = stripe.began_before ? t_.left : axis.x(rank(at(band.from)));
      stripe.width = std::max(1.5, (stripe.goes_on ? t_.right : axis.x(rank(at(band.to)))) - stripe.x);
      if (stripe.began_before && t_.timed)
        stripe.label += ", began " + to_text(elapsed(at(band.from), first_)) + " before";
      const double width = text_width(stripe.label) + 12;
      stripe.label_ends = stripe.x + width > t_.right;
      stripe.label_x = stripe.label_ends ? t_.right - 6 : stripe.x + 6;
      const double from = stripe.label_ends ? std::min(stripe.x, t_.right - width) : stripe.x;
      const double to = std::max(stripe.x + stripe.width, from + width);
      const auto free_row = std::find_if(taken.begin(), taken.end(), [&](double until) { return until + 4 <= from; });
      stripe.row = static_cast<std::size_t>(free_row - taken.begin());
      if (stripe.row == max_stripes) {
        ++t_.stripes_left_out;
        continue;
      }
      if (free_row == taken.end()) taken.push_back(0);
      taken[stripe.row] = to;
      for (std::size_t lane = 0; lane < nodes_.size(); ++lane) {
        const bool hit = std::any_of(nodes_[lane].begin(), nodes_[lane].end(),
                                     [&](const std::string& n) { return band.affected.contains(n); });
        if (hit) stripe.lanes.push_back(lane);
      }
      t_.stripes.push_back(std::move(stripe));
    }
  }

  void stack() {
    std::size_t stripe_rows = 0;
    for (const TimelineStripe& stripe : t_.stripes) stripe_rows = std::max(stripe_rows, stripe.row + 1);
    double y = static_cast<double>(stripe_rows) * timeline_stripe_height + (stripe_rows > 0 ? 4 : 0);
    t_.lanes_top = y;
    for (TimelineLane& lane : t_.lanes) {
      lane.top = y;
      const double air = compact_ ? 2 : 6;
      lane.y = y + air + static_cast<double>(lane.rows) * timeline_label_height;
      lane.bottom = y = lane.y + t_.box_height + air;
    }
    t_.lanes_bottom = y;
  }

  void place_bracket(const TimeAxis& axis) {
    t_.axis_y = t_.lanes_bottom;
    const auto box = [this](OperationIndex o) {
      return std::find_if(t_.boxes.begin(), t_.boxes.end(), [o](const TimelineBox& b) { return b.operation == o; });
    };
    const auto culprit = box(anomaly_.culprit);
    const auto other = box(anomaly_.contradicted);
    if (t_.timed && anomaly_.gap && culprit != t_.boxes.end() && other != t_.boxes.end() && culprit != other) {
      const bool other_first = begin(other->operation) <= begin(culprit->operation);
      const TimelineBox& first = other_first ? *other : *culprit;
      const TimelineBox& second = other_first ? *culprit : *other;
      if (ends(first.operation) && end(first.operation) <= begin(second.operation)) {
        t_.bracket = Bracket{axis.x(end(first.operation)), axis.x(begin(second.operation)), first.lane, second.lane,
                             to_text(*anomaly_.gap)};
        t_.axis_y += 30;
      }
    }
    t_.height = t_.axis_y + 48;
  }

  const History& history_;
  const Anomaly& anomaly_;
  Timeline t_;
  std::vector<OperationIndex> operations_;
  std::set<OperationIndex> context_;
  bool compact_ = false;
  std::vector<std::int64_t> positions_;
  std::vector<std::set<std::string>> nodes_;  // per lane, as recorded
  std::vector<FaultBand> shown_bands_;
  std::int64_t first_ = 0, last_ = 0;
};

}  // namespace

Timeline lay_out(const History& history, const Anomaly& anomaly, double width) {
  return Layout(history, anomaly, width).run();
}

}  // namespace faultline::reports
