// One run: the world, the workload under the schedule, the liveness phase, the end, the verdict.
#include <faultline/raft/sim/simulation.hpp>

#include <faultline/assert.hpp>
#include <faultline/checker.hpp>
#include <faultline/effects.hpp>
#include <faultline/run.hpp>
#include <faultline/sim/sim_world.hpp>
#include <faultline/workload.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cluster.hpp"
#include "liveness.hpp"

namespace faultline::raft::sim {
namespace {

using faultline::sim::Happening;
using faultline::sim::NodeIndex;
using faultline::sim::SimWorld;

ReadMode mode_of(const std::string& reads) {
  if (reads == "lease") return ReadMode::lease;
  return reads == "local" ? ReadMode::local : ReadMode::index;
}

ClusterOptions cluster_options(const SimRun& run) {
  ClusterOptions options{.founders = *run.nodes, .spares = *run.spares};
  HostOptions& host = options.host;
  host.raft.election_timeout = *run.election_timeout;
  host.raft.heartbeat = *run.heartbeat;
  host.raft.pre_vote = *run.pre_vote;
  // As raftd: a leader that steps down for want of a quorum would make local reads as good as leases.
  host.raft.check_quorum = *run.reads != "local";
  host.raft.lease_reads = *run.reads == "lease";
  if (host.raft.lease_reads) host.raft.max_clock_drift = *run.max_clock_drift;
  host.raft.batch_bytes = *run.batch_bytes;
  host.raft.window_messages = *run.window_messages;
  host.raft.snapshot_chunk_bytes = *run.chunk_bytes;
  host.raft.compaction_tail = *run.compaction_tail;
  host.reads = mode_of(*run.reads);
  host.snapshot_entries = *run.snapshot_entries;
  host.request_timeout = std::chrono::seconds(5) + 2 * *run.election_timeout;
  options.keep_revisions = *run.keep_revisions;
  options.wal = {.segment_bytes = *run.segment_bytes, .sync = *run.fsync};
  options.client.codec.reads = *run.serializable ? etcd::Reads::serializable : etcd::Reads::linearizable;
  options.client.codec.objects = etcd::objects_of(*run.workload);
  options.client.operation_timeout = *run.operation_timeout;
  if (*run.retries) options.client.repeat_after = *run.operation_timeout / 4;
  options.watched = run.detectors == Detectors::all;
  options.traced = run.trace;
  return options;
}

std::string_view kind_of(Happening::Kind kind) {
  switch (kind) {
    case Happening::Kind::booted: return "boot";
    case Happening::Kind::refused_to_start: return "refused";
    case Happening::Kind::killed:
    case Happening::Kind::crashed:
    case Happening::Kind::exited: return "crash";
    case Happening::Kind::paused: return "pause";
    case Happening::Kind::resumed: return "resume";
    case Happening::Kind::role: return "role";
    case Happening::Kind::note: return "note";
    case Happening::Kind::fault: return "fault";
    case Happening::Kind::healed: return "heal";
    case Happening::Kind::sent:
    case Happening::Kind::delivered:
    case Happening::Kind::dropped: return "frame";
    case Happening::Kind::disk_call: return "disk";
  }
  FL_ASSERT(false && "no such happening");
}

class Simulation {
 public:
  explicit Simulation(SimResult& result) : result_(result), run_(result.run), cluster_(options_for_cluster()) {}

  void go() {
    auto workload = make_workload(
        *run_.workload, {.seed = run_.seed, .keys = *run_.keys, .rate = *run_.rate, .readers = *run_.concurrency / 3});
    if (!workload) return fail(workload.error());
    world_.emplace(*run_.world, cluster_);
    if (run_.trace_frames > 0) world_->record_all(run_.trace_frames);
    if (run_.hash_every > 0) world_->record_hashes(run_.hash_every);
    if (auto watching = world_->watch(*run_.schedule); !watching) return fail(watching.error());
    const RunResult ran = run(plan(workload.value()), *world_, options());
    if (ran.failure && result_.violations.empty() && !ended_early()) note_failure(*ran.failure);
    collect(ran.history);
    judge(workload.value().info.model);
  }

 private:
  ClusterOptions options_for_cluster() {
    ClusterOptions options = cluster_options(run_);
    options.is_rotten = [this](NodeIndex node) { return world_ && world_->is_rotten(node); };
    return options;
  }

  void fail(Error error) { result_.failure = std::move(error); }

  // Nodes that do not come back in time, or a change of members that does not end: background work begun under pressure may take minutes, so
  // this is told and not judged; the liveness phase, which waits for such work, is.
  void note_failure(const Error& error) {
    if (!error.message.starts_with("the faults could not be healed")) return fail(error);
    result_.refusals.push_back(error.message);
  }

  static Plan plan(const Workload& workload) {
    return {.main = on_clients(workload.clients),
            .heal = on_nemesis(Invocation{.f = "heal-all", .value = {}, .key = {}}),
            .final = workload.final_reads};
  }

  // Nothing that follows would prove anything.
  [[nodiscard]] bool ended_early() const {
    return cluster_.invariants() != nullptr && !cluster_.invariants()->lost_last_sync().empty();
  }

  RunOptions options() {
    RunOptions options{.concurrency = static_cast<Worker>(*run_.concurrency),
                       .seed = run_.seed,
                       .time_limit = *run_.duration,
                       .operation_timeout = *run_.operation_timeout};
    options.drain_limit = *run_.operation_timeout * 3 + std::chrono::seconds(10);
    options.heal_limit = std::chrono::minutes(5);
    options.final_limit = *run_.operation_timeout * 20 + std::chrono::seconds(30);
    options.on_phase = [this](Phase phase) {
      if (phase == Phase::heal) enter_liveness();
    };
    options.stop = [this] {
      if (world_->violation() || ended_early()) return Stop::abandon;
      return Stop::no;
    };
    return options;
  }

  void enter_liveness() {
    world_->stop_watching();
    if (run_.detectors != Detectors::all || world_->violation() || ended_early()) return;
    result_.liveness = check_liveness(*world_, cluster_, run_, Rng(run_.seed).fork("liveness"));
  }

  // The schedule's notes take their places among what the clients did.
  void collect(const History& recorded) {
    std::vector<Event> notes = world_->take_notes();
    std::stable_sort(notes.begin(), notes.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
    History& history = result_.history;
    history.reserve(recorded.size() + notes.size());
    std::vector<FunctionId> functions;
    for (const std::string& f : recorded.functions()) functions.push_back(*history.intern_function(f));
    std::size_t next = 0;
    for (EventIndex i = 0; i < recorded.size(); ++i) {
      for (; next < notes.size() && notes[next].time <= recorded.time(i); ++next) append(history, notes[next]);
      if (recorded.process(i) == nemesis_process) {
        append(history, recorded.event(i));
        continue;
      }
      History::Row row{.type = recorded.type(i),
                       .function = functions[recorded.function(i)],
                       .process = recorded.process(i),
                       .key_id = history.intern_key(recorded.key(i)),
                       .extra_id = history.intern_extra(recorded.extra(i)),
                       .value = recorded.value(i),
                       .time = recorded.time(i)};
      if (history.append_row(row) == none) append(history, recorded.event(i));
    }
    for (; next < notes.size(); ++next) append(history, notes[next]);
    result_.done = schedule_from_history(history, run_.schedule->seed);
    note_findings();
    note_world();
  }

  void append(History& history, const Event& event) {
    if (auto appended = history.append(event); !appended && !result_.failure) fail(appended.error());
  }

  void note_findings() {
    if (const Invariants* invariants = cluster_.invariants()) {
      for (const auto& finding : invariants->findings()) {
        result_.violations.push_back({.detector = finding.detector,
                                      .sentence = finding.sentence,
                                      .time = world_->now(),
                                      .step = world_->counters().events});
      }
      if (const std::string& lost = invariants->lost_last_sync(); !lost.empty()) {
        result_.liveness = {.kind = Liveness::Kind::excused,
                            .text = "rot in what was synced last looks like a torn write: " + lost};
      }
    }
    result_.refusals = world_->unexpected_ends();
  }

  void note_world() {
    result_.hash = world_->hash();
    result_.draws = world_->draws();
    result_.hashes = world_->hashes();
    result_.virtual_time = world_->now() - Instant();
    const faultline::sim::Counters& counted = world_->counters();
    result_.steps = counted.events;
    result_.counters = {{"frames", counted.frames}, {"requests", counted.requests}, {"wakes", counted.wakes},
                        {"works", counted.works},   {"dropped", counted.dropped},   {"boots", counted.boots},
                        {"syncs", counted.syncs}};
    count_operations();
    result_.probes = cluster_.probes().by_name();
    if (!run_.trace) return;
    for (const Happening& happening : world_->trace()) {
      result_.trace.push_back(
          {.time = happening.time,
           .step = happening.step,
           .node = happening.node == faultline::sim::no_node ? NodeName() : world_->name(happening.node),
           .kind = std::string(kind_of(happening.kind)),
           .text = text_of(happening)});
    }
    for (const Violation& violation : result_.violations) {
      result_.trace.push_back({.time = violation.time,
                               .step = violation.step,
                               .node = {},
                               .kind = "violation",
                               .text = violation.detector + ": " + violation.sentence});
    }
  }

  [[nodiscard]] std::string text_of(const Happening& happening) const {
    std::string text = happening.text;
    if (happening.peer != faultline::sim::no_node) text += " to " + world_->name(happening.peer);
    const bool lost = happening.kind == Happening::Kind::dropped;
    return lost ? text + ", lost" : text;
  }

  void count_operations() {
    const History& history = result_.history;
    std::map<EventType, std::uint64_t> by_type;
    for (EventIndex i = 0; i < history.size(); ++i) {
      if (history.process(i) >= 0 && history.type(i) != EventType::invoke) ++by_type[history.type(i)];
    }
    for (const auto& [type, count] : by_type) {
      result_.counters.emplace("operations " + std::string(to_string(type)), count);
    }
  }

  void judge(std::string_view model) {
    auto verdict = check(result_.history, model, {.memory_limit = 1ULL << 30, .explain = run_.explain});
    if (!verdict) return fail(verdict.error());
    result_.verdict = std::move(verdict).value();
    std::vector<std::string> kinds;
    for (const Decision& decision : run_.schedule->decisions) kinds.push_back(decision.fault.kind);
    result_.vacuous = faultline::vacuous(result_.history, kinds);
    if (ended_early()) result_.vacuous = result_.liveness.text;
  }

  SimResult& result_;
  const SimRun& run_;
  std::optional<SimWorld> world_;
  Cluster cluster_;
};

}  // namespace

SimResult run_simulation(const SimRun& run) {
  SimResult result;
  auto complete = drawn(run);
  if (!complete) {
    result.run = run;
    result.failure = complete.error();
    return result;
  }
  result.run = std::move(complete).value();
  set_assert_context(fmt::format("seed {} of the simulator", run.seed));
  Simulation(result).go();
  set_assert_context({});
  return result;
}

std::vector<std::string> SimResult::detectors() const {
  std::vector<std::string> fired;
  const auto add = [&](std::string name) {
    if (std::find(fired.begin(), fired.end(), name) == fired.end()) fired.push_back(std::move(name));
  };
  for (const Violation& violation : violations) add("I:" + violation.detector);
  if (verdict.kind == VerdictKind::invalid) {
    add(verdict.anomalies.empty() ? "H" : "H:" + verdict.anomalies.front().name);
  }
  if (liveness.kind == Liveness::Kind::failed) add("L");
  return fired;
}

std::string SimResult::signature() const {
  const auto fired = detectors();
  return fired.empty() ? std::string() : fired.front();
}

std::string_view to_string(Liveness::Kind kind) {
  constexpr std::array<std::string_view, 4> names{"not checked", "converged", "excused", "failed"};
  return names[static_cast<std::size_t>(kind)];
}

std::vector<std::string_view> probe_names() {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < probe_count; ++i) names.push_back(to_text(static_cast<Probe>(i)));
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> supports(const SimRun& run, const Fault& fault) {
  SimRun quiet = run;
  quiet.schedule.emplace();
  auto complete = drawn(quiet);
  if (!complete) return complete.error();
  ClusterOptions options = cluster_options(complete.value());
  Cluster cluster(std::move(options));
  const SimWorld world(*complete.value().world, cluster);
  return world.supports(fault);
}

}  // namespace faultline::raft::sim
