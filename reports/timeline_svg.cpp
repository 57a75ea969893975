#include "timeline_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "timeline.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

class TimelineDrawing {
 public:
  TimelineDrawing(HtmlWriter& html, const Timeline& t, const Drawing& drawing) : html_(html), t_(t), id_(drawing.id) {}

  void draw() {
    tints();
    lanes();
    stripes();
    axis();
    bracket();
    for (const TimelineBox& box : t_.boxes) {
      open_box(box).element("title", {}, box.tooltip);
      if (box.context && !box.open) tail(box);
      shape(box);
      html_.close("g");
    }
    // Discs and labels last: nothing may hide them.
    for (const TimelineBox& box : t_.boxes) {
      open_box(box);
      mark(box);
      label(box);
      html_.close("g");
    }
  }

 private:
  static std::string box_class(const TimelineBox& box) {
    std::string name = box.culprit                    ? "op bad"
                       : box.open                     ? "op open"
                       : box.outcome == Outcome::fail ? "op fail"
                                                      : "op ok";
    return box.context ? name + " ctx" : name;
  }

  // The shell finds boxes by their numbers.
  HtmlWriter& open_box(const TimelineBox& box) {
    return html_.open("g", {{"class", box_class(box)},
                            {"data-op", fmt::format("{}", box.operation)},
                            {"data-step", fmt::format("{}", box.step)}});
  }
  void line(std::string_view name, double x1, double y1, double x2, double y2) {
    html_.empty("line", {{"class", std::string(name)},
                         {"x1", coordinate(x1)},
                         {"y1", coordinate(y1)},
                         {"x2", coordinate(x2)},
                         {"y2", coordinate(y2)}});
  }
  void rect(std::string_view name, double x, double y, double width, double height, double radius = 0) {
    html_.empty("rect", {{"class", std::string(name)},
                         {"x", coordinate(x)},
                         {"y", coordinate(y)},
                         {"width", coordinate(width)},
                         {"height", coordinate(height)},
                         {"rx", coordinate(radius)}});
  }
  void words(std::string_view name, double x, double y, std::string_view anchor, std::string_view text) {
    html_.element("text",
                  {{"class", std::string(name)},
                   {"x", coordinate(x)},
                   {"y", coordinate(y)},
                   {"text-anchor", std::string(anchor)}},
                  text);
  }

  void tints() {
    for (const TimelineStripe& stripe : t_.stripes) {
      for (const std::size_t lane : stripe.lanes) {
        rect("tint", stripe.x, t_.lanes[lane].top, stripe.width, t_.lanes[lane].bottom - t_.lanes[lane].top);
      }
    }
  }

  void lanes() {
    for (const TimelineLane& lane : t_.lanes) {
      words("lane", 0, lane.y + t_.box_height / 2 + 4, "start", lane.label);
      line("rule", 0, lane.bottom, t_.right, lane.bottom);
    }
  }

  void stripes() {
    for (const TimelineStripe& stripe : t_.stripes) {
      const double y = static_cast<double>(stripe.row) * timeline_stripe_height;
      rect("stripe", stripe.x, y, stripe.width, timeline_stripe_height - 3, 2);
      if (!stripe.began_before) line("edge", stripe.x, y, stripe.x, t_.lanes_bottom);
      if (!stripe.goes_on) line("edge", stripe.x + stripe.width, y, stripe.x + stripe.width, t_.lanes_bottom);
      words("fault", stripe.label_x, y + 11.5, stripe.label_ends ? "end" : "start", stripe.label);
    }
  }

  void axis() {
    double last = t_.left;
    for (const AxisBreak& cut : t_.breaks) {
      const double middle = cut.x + cut.width / 2;
      rect("cut", middle - 6, t_.lanes_top, 12, t_.axis_y - t_.lanes_top + 8);
      zigzag(middle - 6);
      zigzag(middle + 6);
      line("axis", last, t_.axis_y, middle - 6, t_.axis_y);
      last = middle + 6;
    }
    line("axis", last, t_.axis_y, t_.right, t_.axis_y);
    // Lengths of breaks first; where two would touch, the second stands a line lower. Ticks yield to them.
    double taken = 0;
    bool lower = false;
    bool any_lower = false;
    for (const AxisBreak& cut : t_.breaks) {
      const std::string text = "⋯ " + to_text(Duration(cut.idle));
      const double half = static_cast<double>(columns(text)) * timeline_character / 2;
      const double middle = cut.x + cut.width / 2;
      lower = middle - half < taken && !lower;
      any_lower = any_lower || lower;
      taken = middle + half;
      words("tick", middle, t_.axis_y + (lower ? 30 : 17), "middle", text);
    }
    for (const Tick& tick : t_.ticks) {
      const bool hidden = std::any_of(t_.breaks.begin(), t_.breaks.end(), [&](const AxisBreak& cut) {
        return tick.x > cut.x - 34 && tick.x < cut.x + cut.width + 34;
      });
      line("axis", tick.x, t_.axis_y, tick.x, t_.axis_y + 4);
      if (!hidden) words("tick", tick.x, t_.axis_y + 17, "middle", tick.label);
    }
    words("tick", t_.right, t_.axis_y + (any_lower ? 45 : 33), "end", t_.axis_title);
  }

  void zigzag(double x) {
    std::string path = fmt::format("M{} {}", coordinate(x), coordinate(t_.lanes_top));
    double y = t_.lanes_top;
    for (int side = 1; y < t_.axis_y + 4; side = -side) {
      y += 6;
      path += fmt::format("L{} {}", coordinate(x + side * 2.5), coordinate(y));
    }
    html_.empty("path", {{"class", "zigzag"}, {"d", path}});
  }

  void bracket() {
    if (!t_.bracket) return;
    const Bracket& b = *t_.bracket;
    const double y = t_.lanes_bottom + 20;
    line("drop", b.from, t_.lanes[b.from_lane].y + t_.box_height, b.from, y + 5);
    line("drop", b.to, t_.lanes[b.to_lane].y + t_.box_height, b.to, y + 5);
    line("gap", b.from, y, b.to, y);
    line("gap", b.from, y - 5, b.from, y + 5);
    line("gap", b.to, y - 5, b.to, y + 5);
    const double half = static_cast<double>(columns(b.label)) * timeline_character / 2;
    const double middle = std::clamp((b.from + b.to) / 2, t_.left + half, t_.right - half);
    words("gap-label", middle, y - 5, "middle", b.label);
  }

  void shape(const TimelineBox& box) {
    const double y = t_.lanes[box.lane].y;
    if (!box.open) {
      rect("shape", box.x, y, box.width, t_.box_height, std::min(3.0, box.width / 2));
      if (box.outcome == Outcome::fail) {
        html_.empty("rect", {{"fill", fmt::format("url(#{}-hatch)", id_)},
                             {"x", coordinate(box.x)},
                             {"y", coordinate(y)},
                             {"width", coordinate(box.width)},
                             {"height", coordinate(t_.box_height)}});
      }
      return;
    }
    // No right edge: nobody knows when, or whether, it took effect.
    const double right = box.x + box.width;
    html_.empty("path", {{"class", "fill"},
                         {"d", fmt::format("M{0} {1}H{2}V{3}H{0}Z", coordinate(box.x), coordinate(y), coordinate(right),
                                           coordinate(y + t_.box_height))}});
    html_.empty("path", {{"class", "shape"},
                         {"d", fmt::format("M{2} {1}H{0}V{3}H{2}", coordinate(box.x), coordinate(y), coordinate(right),
                                           coordinate(y + t_.box_height))}});
    words("runs-off", right - 3, y + 15.5, "end", "?");
  }

  // A context operation was recorded with an end, but is judged without one.
  void tail(const TimelineBox& box) {
    const double y = t_.lanes[box.lane].y + t_.box_height / 2;
    line("tail", box.x + box.width, y, t_.right, y);
  }

  void mark(const TimelineBox& box) {
    if (!box.culprit && box.step == 0) return;
    const double x = box.step > 0 ? box.point : box.x + std::min(box.width / 2, 40.0);
    const double y = t_.lanes[box.lane].y + t_.box_height / 2;
    const std::string number = box.culprit && box.step == 0 ? "✗" : fmt::format("{}", box.step);
    // A disc, drawn out for long numbers.
    const double high = t_.box_height - 6;
    const double wide = std::max(high, static_cast<double>(columns(number)) * 6.8 + 4);
    rect("mark", x - wide / 2, y - high / 2, wide, high, high / 2);
    words("number", x, y + 4, "middle", number);
  }

  void label(const TimelineBox& box) {
    if (!box.label_fits) return;
    const double y = t_.lanes[box.lane].y - 5 - static_cast<double>(box.label_row) * timeline_label_height;
    words("label", box.label_x, y, box.label_ends ? "end" : "start", box.label);
  }

  HtmlWriter& html_;
  const Timeline& t_;
  std::string_view id_;
};

void hatch(HtmlWriter& html, std::string_view id) {
  html.open("defs").open("pattern", {{"id", fmt::format("{}-hatch", id)},
                                     {"width", "6"},
                                     {"height", "6"},
                                     {"patternUnits", "userSpaceOnUse"},
                                     {"patternTransform", "rotate(45)"}});
  html.empty("line", {{"class", "hatch"}, {"x1", "0"}, {"y1", "0"}, {"x2", "0"}, {"y2", "6"}})
      .close("pattern")
      .close("defs");
}

}  // namespace

void draw_timeline(HtmlWriter& html, const History& history, const Anomaly& anomaly, const Drawing& drawing) {
  const Timeline t = lay_out(history, anomaly, drawing.width);
  if (t.boxes.empty()) return;
  const std::string id(drawing.id);
  const std::string crowded = t.lanes.size() > timeline_roomy_lanes ? " crowded" : "";
  html.open("svg", {{"class", "timeline " + std::string(drawing.class_name) + crowded},
                    {"viewBox", fmt::format("0 0 {} {}", coordinate(t.width), coordinate(t.height))},
                    {"width", coordinate(t.width)},
                    {"height", coordinate(t.height)},
                    {"role", "img"},
                    {"aria-labelledby", id + "-title " + id + "-text"}});
  html.element("title", {{"id", id + "-title"}},
               anomaly.sentence.empty() ? "Timeline of a legal order" : "Timeline of the counterexample");
  html.element("desc", {{"id", id + "-text"}},
               anomaly.sentence.empty()
                   ? "The table beside it lists the same operations in their order."
                   : spoken(anomaly.sentence) + " The table of the longest legal prefix lists the same operations.");
  hatch(html, id);
  TimelineDrawing(html, t, drawing).draw();
  html.close("svg").line_break();
  for (const std::string& remark : t.remarks)
    html.element("p", {{"class", "legend " + std::string(drawing.class_name)}}, remark);
}

}  // namespace faultline::reports
