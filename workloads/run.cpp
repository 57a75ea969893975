#include <faultline/run.hpp>

#include <fmt/format.h>

#include "nodes.hpp"

namespace faultline {

namespace {

constexpr Duration longest_wait = std::chrono::milliseconds(100);  // between two looks at options.stop
constexpr Duration shortest_wait =
    std::chrono::microseconds(1);  // so that a world's time moves whatever a generator says

class Loop {
 public:
  Loop(World& world, const RunOptions& options)
      : world_(world),
        options_(options),
        rng_(Rng(options.seed).fork("run")),
        rng_of_next_(rng_.fork(std::uint64_t{0})),
        all_(WorkerSet::of_clients(options.concurrency)),
        processes_(static_cast<std::size_t>(options.concurrency)),
        outstanding_(processes_.size() + 1) {
    for (std::size_t w = 0; w < processes_.size(); ++w) processes_[w] = static_cast<Process>(w);
    all_.insert(nemesis_worker);
    free_ = all_;
  }

  // Asks, records and dispatches until the generator is exhausted, the deadline has come, or the run was stopped (by
  // `ends_at` or more) or has failed. Operations may be outstanding afterwards.
  void generate(Generator generator, Instant deadline, Stop ends_at) {
    generator_ = std::move(generator);
    while (!failure_) {
      take_ready();
      const Instant now = world_.now();
      if (failure_ || now >= deadline || must_return(ends_at)) break;
      const Context asked = context(now);
      Step step = generator_.op(asked);
      if (step.is_exhausted()) break;
      generator_ = std::move(*step.next);
      if (step.is_invoke()) {
        invoke(std::move(step.event), asked);
      } else if (step.until == never && free_ == all_) {
        fail(Error::environment("the generator waits for an event, but nothing is outstanding that could cause one"));
      } else {
        wait(std::min(step.until, deadline));
      }
    }
    generator_ = Generator();
  }

  // Waits until nothing of these workers is outstanding; false if the time was too short.
  bool drain(const WorkerSet& workers, Duration limit) {
    const Instant deadline = later(world_.now(), limit);
    while (!failure_ && !must_return(Stop::abandon)) {
      take_ready();
      if ((free_ & workers) == workers) return true;
      if (world_.now() >= deadline) return false;
      wait(deadline);
    }
    return false;
  }

  [[nodiscard]] bool finished() const { return failure_.has_value() || stop_ == Stop::abandon; }
  [[nodiscard]] Stop stopped() const { return stop_; }
  [[nodiscard]] const History& history() const { return history_; }
  // The completion of the nemesis's last operation since this was asked before; a blank one if there was none.
  Event take_last_of_nemesis() { return std::exchange(last_of_nemesis_, Event()); }
  [[nodiscard]] const WorkerSet& all() const { return all_; }
  void fail(Error error) { failure_ = std::move(error); }
  void enter(Phase phase) const {
    if (options_.on_phase) options_.on_phase(phase);
  }

  RunResult result() && {
    RunResult result;
    result.outstanding = all_.size() - free_.size();
    result.history = std::move(history_);
    result.failure = std::move(failure_);
    result.stopped = stop_ != Stop::no;
    return result;
  }

 private:
  Context context(Instant now) {
    return {.now = now, .workers = all_, .free = free_, .processes = processes_, .rng = rng_of_next_};
  }
  [[nodiscard]] std::optional<Event>& slot(Worker worker) { return outstanding_[static_cast<std::size_t>(worker + 1)]; }

  // Polls options.stop, which never goes back.
  bool must_return(Stop ends_at) {
    if (options_.stop) stop_ = std::max(stop_, options_.stop());
    return stop_ >= ends_at;
  }

  void take_ready() {
    while (!failure_) {
      std::optional<Event> completion = world_.next_completion(world_.now());
      if (!completion) return;
      complete(std::move(*completion));
    }
  }

  void wait(Instant until) {
    const Instant now = world_.now();
    until = std::clamp(until, now + shortest_wait, now + longest_wait);
    if (std::optional<Event> completion = world_.next_completion(until)) complete(std::move(*completion));
  }

  void invoke(Event event, const Context& asked) {
    const Worker worker = asked.worker_of(event.process);
    FL_ASSERT(free_.contains(worker));
    FL_ASSERT(event.type == EventType::invoke && event.process == asked.process_of(worker));
    event.time = asked.now;
    free_.erase(worker);
    slot(worker) = event;
    rng_of_next_ = rng_.fork(++dispatched_);
    if (!record(event)) return;
    world_.dispatch(event);
    generator_ = generator_.update(context(asked.now), event);
  }

  void complete(Event event) {
    const Instant now = world_.now();
    const Worker worker = worker_of(event.process, processes_.size());
    if (std::string broken = contradiction(event, slot(worker)); !broken.empty()) {
      return fail(Error::environment("the world broke its contract: " + broken));
    }
    // A completion is never recorded before what was recorded already: more overlap is safe.
    event.time = event.time == no_time ? now : std::clamp(event.time, std::min(last_time_, now), now);
    slot(worker).reset();
    free_.insert(worker);
    if (worker == nemesis_worker) {
      last_of_nemesis_ = event;
    } else if (event.type == EventType::info) {
      processes_[static_cast<std::size_t>(worker)] += static_cast<Process>(processes_.size());
    }
    if (!record(event)) return;
    generator_ = generator_.update(context(now), event);
  }

  // What is wrong with a completion of this worker; empty if nothing is.
  static std::string contradiction(const Event& event, const std::optional<Event>& invocation) {
    const auto what = [&] { return fmt::format("{} {} of process {}", to_string(event.type), event.f, event.process); };
    if (event.type == EventType::invoke) return what() + " came as a completion";
    if (!invocation) return what() + " completes nothing: the process has no operation outstanding";
    if (event.process != invocation->process)
      return fmt::format("{} completes an operation of process {}", what(), invocation->process);
    if (event.f != invocation->f) return fmt::format("{} completes {}", what(), invocation->f);
    if (event.key != invocation->key) {
      return fmt::format("{} on key {} completes one on key {}", what(), event.key.to_string(),
                         invocation->key.to_string());
    }
    if (event.process == nemesis_process && event.type != EventType::info)
      return what() + ", but the nemesis knows only info";
    return {};
  }

  bool record(const Event& event) {
    last_time_ = event.time;
    const auto appended = history_.append(event);
    if (!appended) {
      fail(appended.error());
      return false;
    }
    if (!options_.on_event) return true;
    if (const Result<void> written = options_.on_event(event); !written) fail(written.error());
    return !failure_;
  }

  World& world_;
  const RunOptions& options_;
  Rng rng_;
  Rng rng_of_next_;  // what the generator may draw from for the next operation
  Generator generator_;
  History history_;
  WorkerSet all_, free_;
  std::vector<Process> processes_;
  std::vector<std::optional<Event>> outstanding_;  // by worker, the nemesis first
  std::uint64_t dispatched_ = 0;
  Instant last_time_{};
  Event last_of_nemesis_;
  Stop stop_ = Stop::no;
  std::optional<Error> failure_;
};

// Heals, and makes sure that it worked: the completion of the last operation of `heal` must carry no error.
void heal(Loop& loop, Generator generator, World& world, const RunOptions& options) {
  const WorkerSet nemesis = WorkerSet::of(nemesis_worker);
  const Instant deadline = later(world.now(), options.heal_limit);
  bool healed = loop.drain(nemesis, options.heal_limit);
  if (healed) {
    loop.take_last_of_nemesis();  // a fault's own
    loop.generate(on_nemesis(std::move(generator)), deadline, Stop::abandon);
    healed = loop.drain(nemesis, deadline - world.now());
  }
  if (loop.finished()) return;
  if (!healed) {
    return loop.fail(
        Error::environment(fmt::format("the faults could not be healed within {}", to_text(options.heal_limit)),
                           "look for nodes that did not come back; their logs are in the run directory"));
  }
  if (const Event last = loop.take_last_of_nemesis(); !last.error().is_null()) {
    const Value& error = last.error();
    loop.fail(Error::environment(
        "the faults could not be healed: " + (error.is_string() ? std::string(error.as_text()) : error.to_string()),
        "look for nodes that did not come back; their logs are in the run directory"));
  }
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::main: return "run";
    case Phase::heal: return "heal";
    case Phase::drain: return "drain";
    case Phase::final_reads: return "final reads";
    case Phase::done: return "done";
  }
  FL_ASSERT(false && "unknown phase");
}

RunResult run(Plan plan, World& world, const RunOptions& options) {
  if (options.concurrency < 1 || options.concurrency > max_workers) {
    RunResult refused;
    refused.failure = Error::bad_input(fmt::format("concurrency = {} is out of range", options.concurrency),
                                       fmt::format("choose 1 to {}", max_workers));
    return refused;
  }
  Loop loop(world, options);
  Instant healed = never;
  loop.enter(Phase::main);
  loop.generate(std::move(plan.main), later(world.now(), options.time_limit), Stop::settle);
  const Instant main_ended = world.now();
  if (!loop.finished() && !plan.heal.empty()) {  // before draining: what is outstanding may then still succeed
    loop.enter(Phase::heal);
    heal(loop, std::move(plan.heal), world, options);
    if (!loop.finished()) healed = world.now();
  }
  if (!loop.finished()) {
    loop.enter(Phase::drain);
    loop.drain(loop.all(), options.drain_limit);
  }
  if (!loop.finished() && loop.stopped() < Stop::finish && plan.final) {
    loop.enter(Phase::final_reads);
    loop.generate(on_clients(plan.final(loop.history())), later(world.now(), options.final_limit), Stop::finish);
    loop.drain(loop.all(), options.drain_limit);
  }
  loop.enter(Phase::done);
  RunResult result = std::move(loop).result();
  result.main_ended = main_ended;
  result.healed = healed;
  return result;
}

}  // namespace faultline
