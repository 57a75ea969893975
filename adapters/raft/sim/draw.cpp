// The draw of a run: whatever it leaves open, from its seed, each option from a stream of its own.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <faultline/etcd/codec.hpp>
#include <faultline/text.hpp>
#include <faultline/workload.hpp>

#include "options.hpp"

namespace faultline::raft::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t nodes_max = 9;
constexpr std::size_t spares_max = 3;

// Uniform in the number of binary digits, without floating point: the same in every build.
std::uint64_t log_uniform(Rng& rng, std::uint64_t low, std::uint64_t high) {
  FL_ASSERT(low >= 1 && low <= high);
  std::vector<std::uint64_t> steps;  // from low by factors of two
  for (std::uint64_t step = low; step < high; step *= 2) steps.push_back(step);
  if (steps.empty()) return low;
  const std::uint64_t from = rng.pick(steps);
  return from + rng.below(std::min(from, high - from) + 1);
}

template <class T, std::size_t n>
T pick(Rng& rng, const std::array<T, n>& choices) {
  return choices[rng.below(n)];
}

// Fills options in by name; what is named already is left alone, and so is the stream of any other.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : root_(Rng(seed).fork("options")) {}

  template <class T, class Make>
  void fill(std::optional<T>& option, std::string_view name, const Make& make) {
    Rng rng = root_.fork(name);
    if (!option) option = static_cast<T>(make(rng));
  }
  [[nodiscard]] Rng stream(std::string_view name) const { return root_.fork(name); }

 private:
  Rng root_;
};

void draw_system(SimRun& run, const Draw& from) {
  Draw draw = from;
  draw.fill(run.nodes, "nodes", [](Rng& rng) {
    constexpr std::array<std::size_t, 10> sizes{3, 3, 3, 3, 5, 5, 5, 4, 6, 7};
    return pick(rng, sizes);
  });
  draw.fill(run.spares, "spares", [](Rng& rng) { return rng.below(3); });
  draw.fill(run.reads, "reads", [](Rng& rng) { return rng.chance(0.25) ? "lease" : "index"; });
  draw.fill(run.max_clock_drift, "max_clock_drift", [](Rng& rng) {
    constexpr std::array<double, 4> bounds{0.01, 0.1, 0.5, 0.75};
    return pick(rng, bounds);
  });
  draw.fill(run.pre_vote, "pre_vote", [](Rng&) { return true; });
  draw.fill(run.fsync, "fsync", [](Rng&) { return true; });
  draw.fill(run.election_timeout, "election_timeout", [](Rng& rng) {
    constexpr std::array<milliseconds, 3> timeouts{milliseconds(300), milliseconds(500), milliseconds(1000)};
    return pick(rng, timeouts);
  });
  const Duration timeout = *run.election_timeout;
  draw.fill(run.heartbeat, "heartbeat", [&](Rng& rng) { return timeout / (5 + static_cast<int>(rng.below(6))); });
  draw.fill(run.snapshot_entries, "snapshot_entries",
            [](Rng& rng) { return rng.chance(0.1) ? 0 : log_uniform(rng, 4, rng.chance(0.4) ? 32 : 500); });
  draw.fill(run.segment_bytes, "segment_bytes", [](Rng& rng) { return log_uniform(rng, 4 << 10, 256 << 10); });
  draw.fill(run.compaction_tail, "compaction_tail",
            [](Rng& rng) { return rng.chance(0.3) ? 0 : log_uniform(rng, 1, 200); });
  draw.fill(run.chunk_bytes, "chunk_bytes", [](Rng& rng) { return log_uniform(rng, 2 << 10, 256 << 10); });
  draw.fill(run.batch_bytes, "batch_bytes",
            [](Rng& rng) { return rng.chance(0.25) ? 1 : log_uniform(rng, 256, 1 << 20); });
  draw.fill(run.window_messages, "window_messages", [](Rng& rng) { return log_uniform(rng, 1, 256); });
  draw.fill(run.keep_revisions, "keep_revisions", [](Rng& rng) { return log_uniform(rng, 1000, 4000); });
}

void draw_test(SimRun& run, const Draw& from) {
  Draw draw = from;
  draw.fill(run.workload, "workload", [](Rng& rng) {
    constexpr std::array<const char*, 4> names{"register", "register", "cas-register", "kv-append"};
    return pick(rng, names);
  });
  // Many clients, or some that give up early, leave a leader that is cut off a long tail of what it could not commit.
  draw.fill(run.concurrency, "concurrency", [&](Rng& rng) {
    constexpr std::array<std::size_t, 6> each{1, 1, 1, 2, 3, 6};
    return *run.nodes * pick(rng, each) + rng.below(*run.nodes + 1);
  });
  draw.fill(run.keys, "keys", [](Rng& rng) { return log_uniform(rng, 1, 8); });
  const Duration timeout = *run.election_timeout;
  const auto draw_duration = [&](Rng& rng) { return timeout * static_cast<int>(30 + rng.below(31)); };
  draw.fill(run.duration, "duration", draw_duration);
  draw.fill(run.rate, "rate", [&](Rng& rng) {
    // In the time that would have been drawn: a run of another length has the same rate.
    Rng stream = draw.stream("duration");
    const auto usual = static_cast<std::uint64_t>(draw_duration(stream) / milliseconds(1));
    const auto operations = log_uniform(rng, 250, 2500);
    const auto tenths = operations * 10'000 / usual;
    return static_cast<double>(std::max<std::uint64_t>(tenths, 1)) / 10;
  });
  draw.fill(run.serializable, "serializable", [](Rng&) { return false; });
  draw.fill(run.retries, "retries", [](Rng& rng) { return rng.chance(0.25); });
  draw.fill(run.operation_timeout, "operation_timeout", [&](Rng& rng) {
    return rng.chance(0.25) ? timeout * static_cast<int>(2 + rng.below(8)) / 10
                            : timeout * static_cast<int>(2 + rng.below(6));
  });
}

Result<void> check(const SimRun& run) {
  const auto refuse = [](std::string message) { return Error::bad_input(std::move(message)); };
  if (*run.nodes < 1 || *run.nodes > nodes_max)
    return refuse(fmt::format("nodes: 1 to {}, not {}", nodes_max, *run.nodes));
  if (*run.spares > spares_max) return refuse(fmt::format("spares: 0 to {}, not {}", spares_max, *run.spares));
  constexpr std::array<std::string_view, 3> reads{"index", "lease", "local"};
  if (std::find(reads.begin(), reads.end(), *run.reads) == reads.end()) {
    return refuse(fmt::format("reads: index, lease or local, not '{}'", escape_controls(clip(*run.reads, 80))));
  }
  if (!(*run.max_clock_drift >= 0 && *run.max_clock_drift < 1)) return refuse("max_clock_drift: at least 0, below 1");
  if (*run.heartbeat <= Duration::zero() || *run.election_timeout <= *run.heartbeat) {
    return refuse("election_timeout: longer than the heartbeat, and that longer than 0");
  }
  if (*run.segment_bytes < 4096 || *run.segment_bytes > (1U << 30)) return refuse("segment_bytes: 4096 to 2^30");
  if (*run.chunk_bytes == 0 || *run.batch_bytes == 0 || *run.window_messages == 0) {
    return refuse("chunk_bytes, batch_bytes, window_messages: at least 1");
  }
  if (*run.concurrency < 1 || *run.concurrency > 1000) return refuse("concurrency: 1 to 1000");
  if (*run.keys < 1 || *run.keys > 1000) return refuse("keys: 1 to 1000");
  if (!(*run.rate > 0 && *run.rate <= 1e6)) return refuse("rate: above 0, at most 1000000");
  if (*run.duration < Duration::zero() || *run.duration > std::chrono::hours(24 * 30)) {
    return refuse("duration: 0 to 30 days");
  }
  if (*run.operation_timeout <= Duration::zero()) return refuse("operation_timeout: longer than 0");
  if (auto workload = make_workload(*run.workload, {.seed = run.seed}); !workload) return workload.error();
  if (etcd::objects_of(*run.workload) >= etcd::Objects::locks) {
    return Error::bad_input(
        fmt::format("the workload '{}' needs clients that keep leases alive, which simulated ones do not",
                    *run.workload),
        "run it live: faultline run --workload " + *run.workload);
  }
  return {};
}

Result<Mix> draw_mix_of(const SimRun& run, const Draw& draw) {
  const Rng rng = draw.stream("mix");
  if (run.nemesis) {
    std::vector<std::string_view> packages(run.nemesis->begin(), run.nemesis->end());
    for (const std::string& name : *run.nemesis) {
      if (auto known = find_package(name); !known) return known.error();
    }
    return mix_of({.name = "given", .description = {}, .packages = packages, .swarm = false, .settings = {}}, rng);
  }
  auto preset = find_preset(run.preset.value_or("default"));
  if (!preset) return preset.error();
  return mix_of(*preset.value(), rng);
}

Result<Schedule> draw_decisions(const SimRun& run, const Draw& draw) {
  ScheduleOptions options{.seed = draw.stream("schedule").seed(), .duration = *run.duration};
  // Nothing before a first leader had a chance.
  options.begin = std::min(*run.duration, 2 * *run.election_timeout);
  options.drawing.scale = *run.election_timeout;
  options.drawing.clients = *run.concurrency;
  options.drawing.files = {"wal/*", "snap/*"};
  if (*run.reads == "lease") options.drawing.drift = *run.max_clock_drift;
  options.nodes = node_names(1, *run.nodes);
  options.frames.assign(frame_names().begin(), frame_names().end());
  options.interval = run.fault_interval;
  return draw_schedule(*run.mix, options);
}

}  // namespace

std::vector<NodeName> node_names(std::size_t first, std::size_t count) {
  std::vector<NodeName> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("n{}", first + i));
  return names;
}

Result<SimRun> drawn(const SimRun& asked) {
  SimRun run = asked;
  if (run.preset) {
    const auto preset = find_preset(*run.preset);
    if (!preset) return preset.error();
    for (const auto& [name, text] : preset.value()->settings) {
      if (is_given(run, name)) continue;
      if (auto set = set_option(run, name, text); !set) return set.error();
    }
  }
  const Draw draw(run.seed);
  draw_system(run, draw);
  draw_test(run, draw);
  if (auto checked = check(run); !checked) return checked.error();
  if (!run.world) {
    run.world = faultline::sim::draw_options(draw.stream("world").seed(), *run.nodes, *run.spares, *run.concurrency);
  }
  run.world->seed = draw.stream("world").seed();
  run.world->nodes = node_names(1, *run.nodes);
  run.world->spares = node_names(1 + *run.nodes, *run.spares);
  run.world->concurrency = *run.concurrency;
  run.world->beyond_model = run.beyond_model;
  if (!run.schedule) {
    if (!run.mix) {
      auto mix = draw_mix_of(run, draw);
      if (!mix) return mix.error();
      run.mix = std::move(mix).value();
    }
    auto schedule = draw_decisions(run, draw);
    if (!schedule) return schedule.error();
    run.schedule = std::move(schedule).value();
  }
  return run;
}

}  // namespace faultline::raft::sim
