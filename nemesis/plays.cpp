#include "plays.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "draw.hpp"

namespace faultline {

namespace {

using Entries = std::vector<Value::Entry>;

// One play: its times are in tenths of the election timeout, as all drawn ones.
class Play {
 public:
  Play(const ScheduleOptions& options, Rng rng, std::vector<Drawn>& all)
      : options_(options), rng_(std::move(rng)), all_(all) {}

  void churn();
  void lease();
  void bounce();
  void rot();
  void change();
  void deaf();
  void tails();
  void late();

 private:
  [[nodiscard]] const Nodes& nodes() const { return options_.nodes; }
  [[nodiscard]] Duration end() const { return options_.begin + options_.duration; }
  Duration tenths(std::uint64_t low, std::uint64_t high) {
    const auto tenth = std::max<Duration>(options_.drawing.scale / 10, std::chrono::milliseconds(1));
    return rounded(
        log_uniform(tenth * static_cast<Duration::rep>(low), tenth * static_cast<Duration::rep>(high), rng_));
  }
  // Soon after an event: within a few messages, or a heartbeat, or a timeout.
  Duration soon() { return rounded(log_uniform(std::chrono::microseconds(200), options_.drawing.scale, rng_)); }
  // Somewhere in the first part of what is left of the run.
  Duration sometime() {
    return options_.begin +
           Duration(rng_.between(0, std::max<Duration::rep>(1, options_.duration.count() * 3 / 4)) / 1000 * 1000);
  }

  void add(Duration at, Duration lasts, Fault fault) {
    if (at >= end() || lasts <= Duration::zero()) return;
    at = std::max(options_.begin, Duration(at.count() / 1000 * 1000));
    all_.push_back({at, {.when = at, .lasts = std::min(lasts, end() - at), .fault = std::move(fault)}});
  }
  void add_on(EventTrigger trigger, Duration lasts, Fault fault) {
    all_.push_back({options_.begin, {.when = std::move(trigger), .lasts = lasts, .fault = std::move(fault)}});
  }
  static Fault on_node(std::string_view kind, const NodeName& node, Entries parameters = {}) {
    return {.kind = std::string(kind),
            .nodes = {node},
            .grudge = {},
            .parameters = parameters.empty() ? Value() : Value::map(std::move(parameters))};
  }
  // `hears`, `heard`: what is left of the node's links.
  [[nodiscard]] Fault cut_off(const NodeName& node, bool hears, bool heard) const {
    Fault fault{.kind = "partition", .nodes = {}, .grudge = {}, .parameters = {}};
    for (const NodeName& other : nodes()) {
      if (other == node) continue;
      if (!hears) fault.grudge[node].insert(other);
      if (!heard) fault.grudge[other].insert(node);
    }
    return fault;
  }
  // These from all others, both ways.
  [[nodiscard]] Fault cut_apart(const std::set<NodeName>& side) const {
    Fault fault{.kind = "partition", .nodes = {}, .grudge = {}, .parameters = {}};
    for (const NodeName& node : side) {
      for (const NodeName& other : nodes()) {
        if (side.contains(other)) continue;
        fault.grudge[node].insert(other);
        fault.grudge[other].insert(node);
      }
    }
    return fault;
  }
  // The node and others, so many in all.
  std::set<NodeName> with_others(const NodeName& node, std::size_t count, const std::set<NodeName>& but = {}) {
    std::set<NodeName> side{node};
    Nodes left;
    for (const NodeName& other : nodes()) {
      if (other != node && !but.contains(other)) left.push_back(other);
    }
    for (; side.size() < count && !left.empty();) {
      const std::size_t which = rng_.below(left.size());
      side.insert(left[which]);
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(which));
    }
    return side;
  }
  // Each client of these nodes is cut off from its node.
  [[nodiscard]] Fault no_clients(const std::set<NodeName>& of) const {
    Entries of_nodes;
    for (std::size_t n = 0; n < nodes().size(); ++n) {
      if (!of.contains(nodes()[n])) continue;
      std::vector<Value> names;
      for (std::size_t client = n; client < options_.drawing.clients; client += nodes().size())
        names.emplace_back(fmt::format("c{}", client));
      if (!names.empty()) of_nodes.emplace_back(nodes()[n], Value::list(std::move(names)));
    }
    return {.kind = "partition",
            .nodes = {},
            .grudge = {},
            .parameters = Value::map({{"clients", Value::map(std::move(of_nodes))}})};
  }
  static Fault leader_cut_off() {
    return {.kind = "partition", .nodes = {}, .grudge = {}, .parameters = Value::map({{"shape", "primaries"}})};
  }
  // What takes a leader away from the others.
  Fault loss_of(const NodeName& node, std::string_view way);

  const ScheduleOptions& options_;
  Rng rng_;
  std::vector<Drawn>& all_;
};

Fault Play::loss_of(const NodeName& node, std::string_view way) {
  if (way == "pause" || way == "kill") return on_node(way, node);
  if (way == "power") return on_node("kill", node, {{"disk", "lose_unsynced"}});
  // Together with a companion, who goes on to follow it.
  if (way == "side" && nodes().size() >= 4) return cut_apart(with_others(node, 2));
  return cut_off(node, way == "mute", way == "deaf");
}

void Play::churn() {
  // How long a leader is let, and how long it stays away, is the run's liking: whether it is back in time to be elected once more, and
  // what it could still say before it was cut off, is what many a bug waits for.
  constexpr std::array<Choice, 4> stays{{{"messages", 2}, {"heartbeat", 2}, {"timeout", 1}, {"any", 1}}};
  constexpr std::array<Choice, 3> absences{{{"short", 1}, {"medium", 2}, {"long", 1}}};
  constexpr std::array<Choice, 7> ways{
      {{"cut", 8}, {"side", 6}, {"deaf", 2}, {"mute", 2}, {"pause", 2}, {"kill", 2}, {"power", 2}}};
  const std::string_view stay = pick(stays, rng_), absence = pick(absences, rng_);
  const bool only_cuts = rng_.chance(0.4), is_relay = rng_.chance(0.4);
  const Duration scale = options_.drawing.scale;
  const Duration longest = stay == "messages"    ? scale / 50
                           : stay == "heartbeat" ? scale / 5
                           : stay == "timeout"   ? 3 * scale
                                                 : scale;
  for (const NodeName& node : nodes()) {
    const auto terms = static_cast<std::uint64_t>(rng_.between(2, 8));
    for (std::uint64_t nth = 1; nth <= terms; ++nth) {
      EventTrigger trigger{.what = RoleTrigger{"leader", node, nth},
                           .after = rounded(log_uniform(std::min<Duration>(scale / 2000, longest), longest, rng_))};
      const Duration lasts = absence == "short" ? tenths(4, 15) : absence == "medium" ? tenths(10, 30) : tenths(15, 60);
      // Half of the runs take the next leader away only when the former one is back.
      if (is_relay) {
        add_on({.what = trigger.what, .after = trigger.after + lasts + soon()}, tenths(10, 30), leader_cut_off());
        ++nth;
      }
      add_on(std::move(trigger), lasts, loss_of(node, only_cuts ? "cut" : pick(ways, rng_)));
    }
  }
}

void Play::lease() {
  const std::optional<double>& drift = options_.drawing.drift;
  for (const NodeName& node : nodes()) {
    if (drift && *drift >= 0.002) {
      // As bent as was promised; the healthy drift comes on top of it, for which a thousandth is left.
      const int by = static_cast<int>(*drift * 1000) - 1;  // thousandths, so that the rate is a short number
      add(options_.begin, options_.duration,
          on_node(
              "clock", node,
              {{"clock", "mono"}, {"change", "rate"}, {"rate", (rng_.chance(0.5) ? 1000 - by : 1000 + by) / 1000.0}}));
    }
    if (!drift || rng_.chance(0.3)) {
      const std::string by = (rng_.chance(0.7) ? "-" : "") + exact(tenths(5, 50));
      add(sometime(), tenths(20, 100), on_node("clock", node, {{"clock", "wall"}, {"change", "jump"}, {"by", by}}));
    }
    for (std::uint64_t nth = 1; nth <= 4; ++nth) {
      const RoleTrigger leads{"leader", node, nth};
      const Duration after = tenths(5, 50), lasts = tenths(15, 60);
      add_on({.what = leads, .after = after}, lasts, cut_off(node, false, false));
      // What was a timeout ago is now, says the wall.
      if (!rng_.chance(0.5)) continue;
      add_on({.what = leads, .after = after + soon() / 2}, lasts,
             on_node("clock", node, {{"clock", "wall"}, {"change", "jump"}, {"by", "-" + exact(tenths(5, 50))}}));
    }
  }
}

void Play::bounce() {
  if (nodes().size() < 3) return;
  for (const NodeName& leader : nodes()) {
    NodeName apart = rng_.pick(nodes());
    while (apart == leader) apart = rng_.pick(nodes());
    Fault sight{.kind = "partition", .nodes = {}, .grudge = {}, .parameters = {}};
    sight.grudge[leader].insert(apart);
    sight.grudge[apart].insert(leader);
    const bool at_the_cut = rng_.chance(0.7), is_silent = rng_.chance(0.7);
    for (std::uint64_t nth = 1; nth <= 3; ++nth) {
      const RoleTrigger leads{"leader", leader, nth};
      const Duration from = tenths(2, 20), then = from + tenths(7, 15);
      add_on({.what = leads, .after = from}, then - from + tenths(10, 40), sight);
      // With nothing written meanwhile, the follower stays as good a candidate as any.
      if (is_silent && options_.drawing.clients > 0)
        add_on({.what = leads, .after = from - std::min(from, soon())}, then - from,
               no_clients({nodes().begin(), nodes().end()}));
      if (at_the_cut) add_on({.what = leads, .after = then}, tenths(10, 40), cut_off(leader, false, false));
      for (const NodeName& between : nodes()) {
        if (between == leader || between == apart) continue;
        add_on({.what = leads, .after = then + soon() / 20}, tenths(1, 3), on_node("kill", between));
      }
    }
  }
}

void Play::rot() {
  // On one disk only: of what is durable, a majority must stay as it was.
  const NodeName& node = rng_.pick(nodes());
  const auto times = static_cast<int>(rng_.between(1, 4));
  for (int i = 0; i < times; ++i) {
    const Duration at = sometime(), lasts = tenths(2, 40);
    if (rng_.chance(0.5)) {
      add(at, lasts, on_node("kill", node));
      Entries entries{{"file", rng_.chance(0.75) ? "wal/*" : "snap/*"}};
      const bool flips = rng_.chance(0.6);
      if (flips) {
        entries.emplace_back("bits", static_cast<std::int64_t>(log_uniform(1, 16, rng_)));
      } else {
        entries.emplace_back("bytes", fmt::format("{}B", log_uniform(1, 8192, rng_)));
      }
      add(at + lasts / 2, lasts / 2, on_node(flips ? "bit_flip" : "truncate", node, std::move(entries)));
    } else {
      const auto nth = static_cast<std::int64_t>(log_uniform(1, 10, rng_));
      add(at, lasts, on_node("fsync_error", node, {{"errno", "EIO"}, {"pages", "drop"}, {"nth", nth}}));
      add(at + lasts, tenths(2, 20), on_node("kill", node, {{"disk", "lose_unsynced"}}));
    }
  }
}

void Play::change() {
  const auto times = static_cast<int>(rng_.between(1, 3));
  for (int i = 0; i < times; ++i) {
    Duration at = sometime();
    const auto steps = static_cast<int>(rng_.between(1, 3));
    for (int step = 0; step < steps; ++step) {
      const bool grows = rng_.chance(0.6);
      Fault fault{.kind = "membership", .nodes = {}, .grudge = {}, .parameters = {}};
      fault.parameters = grows ? Value::map({{"change", "grow"}})
                               : Value::map({{"change", "shrink"}, {"target", rng_.chance(0.5) ? "primaries" : "one"}});
      add(at, tenths(10, 100), std::move(fault));
      // Around it the leader is lost: just before, so that it is asked in vain, or in the middle of it.
      const Duration cut = rng_.chance(0.3) ? at - std::min(at, tenths(1, 8)) : at + soon() / 4;
      add(cut, tenths(8, 40), leader_cut_off());
      at += tenths(5, 40);
    }
  }
}

void Play::deaf() {
  const NodeName& node = rng_.pick(nodes());
  const bool hears = rng_.chance(0.35);
  const Duration at = options_.begin + options_.duration - std::min(options_.duration, tenths(20, 200));
  add_on({.what = RoleTrigger{"leader", {}, 1}, .after = at}, options_.duration, cut_off(node, hears, !hears));
}

void Play::tails() {
  // As many as a majority can do without.
  const std::size_t few = (nodes().size() - 1) / 2;
  if (few == 0 || options_.drawing.clients == 0) return;
  for (const NodeName& leader : nodes()) {
    const std::set<NodeName> side = with_others(leader, few);
    std::set<NodeName> rest(nodes().begin(), nodes().end());
    for (const NodeName& node : side) rest.erase(node);
    for (std::uint64_t nth = 1; nth <= 3; nth += 2) {
      const RoleTrigger leads{"leader", leader, nth};
      const Duration from = soon(), back = from + tenths(12, 40), lost = back + tenths(1, 10), late = tenths(10, 30);
      add_on({.what = leads, .after = from}, back - from, cut_apart(side));
      // Only the few are written to, and only until they are given up: their tail stays longer than the log of all others.
      add_on({.what = leads, .after = from}, lost + late - from, no_clients(rest));
      const Duration full = from + tenths(3, 12);
      add_on({.what = leads, .after = full}, lost + late - full, no_clients(side));
      add_on({.what = leads, .after = lost}, late, leader_cut_off());
      // Its clock hurries: it is the first who stands for election.
      if (!options_.drawing.drift) {
        const auto rate = static_cast<double>(rng_.between(2, 10));
        add_on({.what = leads, .after = lost}, late,
               on_node("clock", leader, {{"clock", "mono"}, {"change", "rate"}, {"rate", rate}}));
      }
      const std::set<NodeName> others = with_others(leader, std::max<std::size_t>(few, 2), side);
      add_on({.what = RoleTrigger{"leader", leader, nth + 1}, .after = soon() / 20}, tenths(10, 40), cut_apart(others));
    }
  }
}

// First what comes is held back, then nobody hears it any more: what is acknowledged in between reaches it when another may lead.
void Play::late() {
  for (const NodeName& leader : nodes()) {
    std::vector<Value> links;
    for (const NodeName& other : nodes()) {
      if (other != leader) links.push_back(Value::list({other, leader}));
    }
    const Fault held{.kind = "clog",
                     .nodes = {},
                     .grudge = {},
                     .parameters = Value::map({{"links", Value::list(std::move(links))}})};
    for (std::uint64_t nth = 1; nth <= 4; ++nth) {
      const RoleTrigger leads{"leader", leader, nth};
      const Duration from = tenths(2, 20), lasts = tenths(15, 50);
      add_on({.what = leads, .after = from}, lasts, held);
      add_on({.what = leads, .after = from + soon() / 2}, lasts, cut_off(leader, true, false));
    }
  }
}

}  // namespace

void draw_plays(const ScheduleOptions& options, const Taste* taste, std::vector<Drawn>& all) {
  if (options.frames.empty() || options.nodes.size() < 2) return;
  const Package& package = *find_package("plays").value();
  const Question& question = package.questions.front();
  const Rng own = Rng(options.seed).fork("schedule").fork("plays");
  Rng stream = own.fork("which");
  const auto weights = taste == nullptr ? Taste::const_iterator() : taste->find(question.name);
  const auto count = static_cast<int>(stream.between(1, 2));
  for (int i = 0; i < count; ++i) {
    const std::string_view word = taste == nullptr || weights == taste->end()
                                      ? pick(question.choices, stream)
                                      : pick(question.choices, weights->second, stream);
    Play play(options, own.fork(static_cast<std::uint64_t>(i)), all);
    if (word == "churn") play.churn();
    if (word == "lease") play.lease();
    if (word == "bounce") play.bounce();
    if (word == "rot") play.rot();
    if (word == "change") play.change();
    if (word == "deaf") play.deaf();
    if (word == "tails") play.tails();
    if (word == "late") play.late();
  }
}

}  // namespace faultline
