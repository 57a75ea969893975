// The overview of a whole history: operations per bin by outcome, faults above, the contradiction marked.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "faults.hpp"
#include "story.hpp"
#include "time_axis.hpp"
#include "timeline_svg.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr double chart_height = 120;
constexpr double row_height = 18;
constexpr std::size_t max_rows = 12;

struct Bin {
  std::size_t ok = 0, fail = 0, open = 0;
  [[nodiscard]] std::size_t total() const { return ok + fail + open; }
};

// One row per kind of fault.
struct KindRow {
  std::string label;
  std::vector<std::pair<double, double>> spans;
};

class Overview {
 public:
  Overview(const ReportInput& input, double width)
      : input_(input), history_(*input.history), width_(width), bins_(width < 500 ? 44 : 96) {
    timed_ = history_.has_times();
    for (EventIndex e = 0; e < history_.size() && timed_; ++e) {
      if (history_.time(e) == no_time) continue;
      const auto t = history_.time(e).time_since_epoch().count();
      first_ = seen_ ? std::min(first_, t) : t;
      last_ = seen_ ? std::max(last_, t) : t;
      seen_ = true;
    }
    timed_ = timed_ && last_ > first_;
    if (!timed_) {
      first_ = 0;
      last_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(history_.size()) - 1);
    }
    count();
    collect_faults();
  }

  void draw(HtmlWriter& html, const Drawing& drawing) {
    const double top = static_cast<double>(rows_.size()) * row_height + (rows_.empty() ? 14 : 10);
    const double base = top + chart_height;
    const std::string id(drawing.id);
    html.open("svg", {{"class", "timeline " + std::string(drawing.class_name)},
                      {"viewBox", fmt::format("0 0 {} {}", coordinate(width_), coordinate(base + 40))},
                      {"width", coordinate(width_)},
                      {"height", coordinate(base + 40)},
                      {"role", "img"},
                      {"aria-labelledby", id + "-title " + id + "-text"}});
    html.element("title", {{"id", id + "-title"}}, "Operations over the whole history");
    html.element("desc", {{"id", id + "-text"}},
                 "Columns count operations by the moment they began; the table of outcomes holds the totals.");
    draw_faults(html, base);
    draw_columns(html, base);
    draw_axis(html, base);
    draw_contradiction(html, top, base);
    html.close("svg").line_break();
  }

 private:
  [[nodiscard]] std::int64_t at(EventIndex e) const {
    if (!timed_) return e;
    return history_.time(e) == no_time ? first_ : history_.time(e).time_since_epoch().count();
  }
  [[nodiscard]] double x(std::int64_t t) const {
    const double share = (static_cast<double>(t) - static_cast<double>(first_)) /
                         (static_cast<double>(last_) - static_cast<double>(first_));
    return left_ + std::clamp(share, 0.0, 1.0) * (right() - left_);
  }
  [[nodiscard]] double right() const { return width_ - 6; }

  void count() {
    counts_.resize(bins_);
    for (OperationIndex o = 0; o < history_.operation_count(); ++o) {
      const double share = (static_cast<double>(at(history_.invoked(o))) - static_cast<double>(first_)) /
                           (static_cast<double>(last_) - static_cast<double>(first_));
      Bin& bin = counts_[std::min(bins_ - 1,
                                  static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(bins_)))];
      const Outcome outcome = history_.outcome(o);
      (outcome == Outcome::ok ? bin.ok : outcome == Outcome::fail ? bin.fail : bin.open) += 1;
    }
    for (const Bin& bin : counts_) highest_ = std::max(highest_, bin.total());
  }

  void collect_faults() {
    std::map<std::string, std::vector<FaultBand>> by_kind;
    for (FaultBand& band : fault_bands(history_)) by_kind[band.kind].push_back(std::move(band));
    double label = 40;
    for (const auto& [kind, bands] : by_kind) {
      if (rows_.size() == max_rows) break;
      rows_.push_back({kind + (bands.size() > 1 ? fmt::format(" × {}", bands.size()) : ""), {}});
      label = std::max(label, static_cast<double>(columns(rows_.back().label)) * 7.3 + 12);
    }
    left_ = std::min(label, width_ * 0.35);
    std::size_t row = 0;
    for (const auto& [kind, bands] : by_kind) {
      if (row == rows_.size()) break;
      for (const FaultBand& band : bands)
        rows_[row].spans.emplace_back(x(at(band.from)), band.to == none ? right() : x(at(band.to)));
      ++row;
    }
  }

  void draw_faults(HtmlWriter& html, double base) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const double y = static_cast<double>(i) * row_height;
      html.element("text", {{"class", "lane"}, {"x", "0"}, {"y", coordinate(y + 12)}}, rows_[i].label);
      for (const auto& [from, to] : rows_[i].spans) {
        const std::string span = coordinate(std::max(2.0, to - from));
        html.empty("rect", {{"class", "tint"},
                            {"x", coordinate(from)},
                            {"y", coordinate(y)},
                            {"width", span},
                            {"height", coordinate(base - y)}});
      }
    }
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const double y = static_cast<double>(i) * row_height;
      for (const auto& [from, to] : rows_[i].spans) {
        html.empty("rect", {{"class", "stripe"},
                            {"x", coordinate(from)},
                            {"y", coordinate(y)},
                            {"width", coordinate(std::max(2.0, to - from))},
                            {"height", coordinate(row_height - 4)},
                            {"rx", "2"}});
      }
    }
  }

  void draw_columns(HtmlWriter& html, double base) const {
    const double step = (right() - left_) / static_cast<double>(bins_);
    for (std::size_t i = 0; i < bins_; ++i) {
      double y = base;
      const auto part = [&](std::string_view name, std::size_t n) {
        if (n == 0) return;
        const double height =
            std::max(1.0, static_cast<double>(n) / static_cast<double>(std::max<std::size_t>(highest_, 1)) *
                              (chart_height - 14));
        y -= height;
        html.empty("rect", {{"class", std::string(name)},
                            {"x", coordinate(left_ + static_cast<double>(i) * step + 0.5)},
                            {"y", coordinate(y)},
                            {"width", coordinate(std::max(0.5, step - 1))},
                            {"height", coordinate(height)}});
      };
      part("count-ok", counts_[i].ok);
      part("count-fail", counts_[i].fail);
      part("count-open", counts_[i].open);
    }
  }

  void draw_axis(HtmlWriter& html, double base) const {
    const auto words = [&](double at, double y, std::string_view anchor, std::string_view text) {
      html.element(
          "text",
          {{"class", "tick"}, {"x", coordinate(at)}, {"y", coordinate(y)}, {"text-anchor", std::string(anchor)}}, text);
    };
    html.empty("line", {{"class", "axis"},
                        {"x1", coordinate(left_)},
                        {"y1", coordinate(base)},
                        {"x2", coordinate(right())},
                        {"y2", coordinate(base)}});
    if (!timed_) {
      words(right(), base + 18, "end", "order of events (the source has no times)");
      return;
    }
    const double per_bin =
        (static_cast<double>(last_) - static_cast<double>(first_)) / 1e9 / static_cast<double>(bins_);
    const double rate = static_cast<double>(highest_) / per_bin;
    words(left_ - 6, base - chart_height + 22, "end",
          rate < 10 ? fmt::format("{:.1f}/s", rate) : fmt::format("{:.0f}/s", rate));
    words(left_ - 6, base, "end", "0");
    const TimeAxis axis({{first_, last_}}, left_, right(), 0, false);
    for (const Tick& tick : axis.ticks(90, 0)) {
      html.empty("line", {{"class", "axis"},
                          {"x1", coordinate(tick.x)},
                          {"y1", coordinate(base)},
                          {"x2", coordinate(tick.x)},
                          {"y2", coordinate(base + 4)}});
      if (tick.x < right() - 12) words(tick.x, base + 17, "middle", tick.label);
    }
    words(right(), base + 33, "end", axis.unit(90) + " since the run began");
  }

  void draw_contradiction(HtmlWriter& html, double top, double base) const {
    if (effective_verdict(input_) != VerdictKind::invalid || input_.verdict->anomalies.empty()) return;
    const OperationIndex culprit = input_.verdict->anomalies.front().culprit;
    if (culprit == none || culprit >= history_.operation_count()) return;
    const double here = x(at(history_.invoked(culprit)));
    html.empty("line", {{"class", "gap"},
                        {"x1", coordinate(here)},
                        {"y1", coordinate(top - 4)},
                        {"x2", coordinate(here)},
                        {"y2", coordinate(base)}});
    const bool ends = here > right() - 130;
    html.element("text",
                 {{"class", "gap-label"},
                  {"x", coordinate(ends ? here - 5 : here + 5)},
                  {"y", coordinate(top + 6)},
                  {"text-anchor", ends ? "end" : "start"}},
                 "✗ contradiction");
  }

  const ReportInput& input_;
  const History& history_;
  double width_;
  std::size_t bins_;
  double left_ = 40;
  bool timed_ = false, seen_ = false;
  std::int64_t first_ = 0, last_ = 0;
  std::vector<Bin> counts_;
  std::size_t highest_ = 0;
  std::vector<KindRow> rows_;
};

}  // namespace

void draw_overview(HtmlWriter& html, const ReportInput& input, const Drawing& drawing) {
  if (input.history->operation_count() > 0) Overview(input, drawing.width).draw(html, drawing);
}

}  // namespace faultline::reports
