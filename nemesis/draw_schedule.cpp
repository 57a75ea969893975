// Schedules drawn before the run.
#include <faultline/swarm.hpp>

#include <algorithm>
#include <array>

#include "draw.hpp"
#include "plays.hpp"
#include "strict.hpp"

namespace faultline {

namespace {

constexpr std::array<Choice, 3> starts{{{"time", 6}, {"frame", 1}, {"role", 1}}};
constexpr std::array<Choice, 3> frame_starts{{{"time", 1}, {"frame", 3}, {"role", 1}}};

std::span<const Choice> starts_of(const Package& package) {
  return package.name == "frames" ? std::span<const Choice>(frame_starts) : starts;
}

// Dwell times in tenths of the scale.
constexpr std::uint64_t shortest = 1, longest = 200;

struct Clockwork {
  const ScheduleOptions& options;
  std::uint64_t calm;  // how much longer than faults gaps are, in quarters

  Duration about(Duration mean, Rng& rng) const { return Duration(mean.count() / 1000 * rng.between(700, 1300)); }
  Duration dwell(Rng& rng) const {
    if (options.interval) return rounded(about(*options.interval, rng));
    const auto tenth = std::max<Duration>(options.drawing.scale / 10, std::chrono::milliseconds(1));
    return rounded(log_uniform(tenth * shortest, tenth * longest, rng));
  }
  Duration gap(Rng& rng) const {
    if (options.interval) return about(*options.interval * 3 / 5, rng);
    return dwell(rng) * static_cast<Duration::rep>(calm) / 4;
  }
};

// A frame between two nodes, or a node's change of role, not too late in the run to happen at all.
EventTrigger draw_trigger(std::string_view start, const ScheduleOptions& options, Rng& rng) {
  EventTrigger trigger;
  if (start == "frame" && options.nodes.size() > 1) {
    const std::size_t from = rng.below(options.nodes.size());
    const std::size_t to = (from + 1 + rng.below(options.nodes.size() - 1)) % options.nodes.size();
    trigger.what =
        FrameTrigger{rng.pick(options.frames), options.nodes[from], options.nodes[to], log_uniform(1, 100, rng)};
    return trigger;
  }
  constexpr std::array<Choice, 2> roles{{{"leader", 3}, {"candidate", 1}}};
  trigger.what = RoleTrigger{std::string(pick(roles, rng)), {}, log_uniform(1, 4, rng)};
  if (rng.chance(0.5)) trigger.after = rounded(log_uniform(std::chrono::microseconds(100), options.drawing.scale, rng));
  return trigger;
}

// A fault that begins at a frame hits an end of its link, where it hits one node.
void aim(Decision& decision, Rng& rng) {
  const auto* frame = std::get_if<FrameTrigger>(&std::get<EventTrigger>(decision.when).what);
  const Value& target = decision.fault.parameters.get("target");
  if (frame == nullptr || !target.is_string() || (target.as_text() != "one" && target.as_text() != "primaries")) return;
  if (decision.fault.kind == "membership") return;
  decision.fault.nodes = {rng.chance(0.5) ? frame->from : frame->to};
  std::vector<Value::Entry> rest;
  for (const Value::Entry& entry : decision.fault.parameters.as_map()) {
    if (entry.first != Value("target")) rest.push_back(entry);
  }
  decision.fault.parameters = rest.empty() ? Value() : Value::map(std::move(rest));
}

void draw_package(const Package& package, const Taste* taste, const Clockwork& clockwork, std::vector<Drawn>& all) {
  const ScheduleOptions& options = clockwork.options;
  const Rng own = Rng(options.seed).fork("schedule").fork(package.name);
  const Duration end = options.begin + options.duration;
  Rng first = own.fork("first");
  // However long the gaps: the first one leaves time for a fault.
  Duration at = options.begin +
                std::min(clockwork.gap(first) / 2, options.duration / static_cast<Duration::rep>(first.between(2, 8)));
  for (std::uint64_t number = 0; at < end && number < options.limit; ++number) {
    Rng stream = own.fork(number);
    const Duration lasts = clockwork.dwell(stream), gap = clockwork.gap(stream);
    Drawing drawing = options.drawing;
    drawing.first = false;
    drawing.lasts = lasts;
    drawing.taste = taste;
    Decision decision{.when = Duration(at.count() / 1000 * 1000),
                      .lasts = std::min(lasts, end - at),
                      .fault = package.draw(drawing, stream)};
    const auto words = starts_of(package);
    const auto weights = taste == nullptr ? Taste::const_iterator() : taste->find("start");
    const std::string_view start =
        taste == nullptr || weights == taste->end() ? pick(words, stream) : pick(words, weights->second, stream);
    if (!options.frames.empty() && start != "time" && number > 0) {
      decision.when = draw_trigger(start, options, stream);
      aim(decision, stream);
    }
    all.push_back({at, std::move(decision)});
    at += lasts + gap;
  }
}

Result<void> check(const ScheduleOptions& options) {
  constexpr Duration longest_run = std::chrono::hours(24 * 7);
  const auto within = [&](Duration value) { return value > Duration::zero() && value <= longest_run; };
  if (!within(options.duration) || options.begin < Duration::zero() || options.begin > longest_run)
    return Error::bad_input(fmt::format("a schedule of {} is out of range", to_text(options.duration)),
                            "choose more than 0 and at most 168h");
  if (!within(options.drawing.scale) || (options.interval && !within(*options.interval)))
    return Error::bad_input("the scale or interval of a schedule is out of range",
                            "choose more than 0 and at most 168h");
  return {};
}

}  // namespace

std::vector<Question> questions_of(const Package& package) {
  std::vector<Question> questions(package.questions.begin(), package.questions.end());
  questions.push_back({"start", starts_of(package)});
  return questions;
}

Result<Schedule> draw_schedule(const Mix& mix, const ScheduleOptions& options) {
  if (auto checked = check(options); !checked) return checked.error();
  // Gaps from a quarter of the faults to eight times as long: runs that hardly recover, and runs where one fault meets a busy cluster.
  Rng pace = Rng(options.seed).fork("schedule").fork("pace");
  const Clockwork clockwork{options, std::uint64_t{1} << pace.below(6)};
  std::vector<Drawn> all;
  for (const std::string& name : mix.packages) {
    const auto package = find_package(name);
    if (!package) return package.error();
    const auto found = mix.tastes.find(name);
    const Taste* taste = found == mix.tastes.end() ? nullptr : &found->second;
    name == "plays" ? draw_plays(options, taste, all) : draw_package(*package.value(), taste, clockwork, all);
  }
  std::stable_sort(all.begin(), all.end(), [](const Drawn& a, const Drawn& b) { return a.at < b.at; });
  if (all.size() > options.limit) all.resize(options.limit);
  Schedule schedule{.seed = options.seed, .decisions = {}};
  for (Drawn& drawn : all) {
    drawn.decision.id = schedule.decisions.size() + 1;
    schedule.decisions.push_back(std::move(drawn.decision));
  }
  return schedule;
}

Result<Schedule> draw_rotation(std::span<const std::string> from, Duration period, const ScheduleOptions& options) {
  if (auto checked = check(options); !checked) return checked.error();
  if (period < std::chrono::milliseconds(1))
    return Error::bad_input(fmt::format("a period of {} is too short", to_text(period)), "choose 1ms or more");
  for (const std::string& name : from) {
    if (const auto package = find_package(name); !package) return package.error();
  }
  Schedule schedule{.seed = options.seed, .decisions = {}};
  const Rng periods = Rng(options.seed).fork("rotation");
  const Duration end = options.begin + options.duration;
  std::uint64_t number = 0;
  for (Duration begin = options.begin; begin < end; begin += period, ++number) {
    const Rng own = periods.fork(number);
    ScheduleOptions part = options;
    part.seed = own.seed();
    part.begin = begin;
    part.duration = std::min(period, end - begin);
    const auto drawn = draw_schedule(draw_mix(own.fork("mix"), from, 0.25), part);
    if (!drawn) return drawn.error();
    for (Decision decision : drawn.value().decisions) {
      if (schedule.decisions.size() >= options.limit) return schedule;
      decision.id = schedule.decisions.size() + 1;
      schedule.decisions.push_back(std::move(decision));
    }
  }
  return schedule;
}

}  // namespace faultline
