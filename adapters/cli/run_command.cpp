// faultline run: sets the system up, runs workload and faults, heals, judges, writes everything, tears down.
//
// Order of safety: the run directory and seed are printed before anything starts; the history is on disk as it happens; a report that
// says "not checked yet" is written before the checker starts. Whatever goes wrong afterwards, those stay.
#include <faultline/effects.hpp>
#include <faultline/formats.hpp>
#include <faultline/journal.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/live_world.hpp>
#include <faultline/live/remote.hpp>
#include <faultline/nemesis.hpp>
#include <faultline/run.hpp>
#include <faultline/schedule.hpp>
#include <faultline/text.hpp>
#include <faultline/workload.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "commands.hpp"
#include "files.hpp"
#include "judge.hpp"
#include "node_logs.hpp"
#include "online_watch.hpp"
#include "run_directory.hpp"
#include "run_info.hpp"
#include "schedule_file.hpp"
#include "targets.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

struct Setup {
  std::string utc, utc_in_path;
  std::uint64_t seed = 0;
  std::shared_ptr<live::EventBoard> events;  // that decisions wait for; null: none do
  std::vector<std::string> nemesis;
  Workload workload;
  Nemesis faults;
};

// Without faults a cluster that is already running can still be tested; asked for by name they are an error.
Result<std::vector<std::string>> requested_faults(const Settings& settings, Console& console) {
  std::vector<std::string> names = settings.list("nemesis");
  std::erase(names, "none");
  if (!settings.given("endpoints") || names.empty()) return names;
  if (!settings.given("nemesis")) {
    console.note("no faults: the cluster behind --endpoints is not ours to break");
    return std::vector<std::string>{};
  }
  return Error::bad_input(
      fmt::format("--nemesis {} cannot be used with --endpoints: faultline neither started these nodes "
                  "nor controls their network",
                  join(names, ",")),
      "leave --nemesis out, or let faultline start the cluster");
}

// How often a clock fault is about wall, mono or both. Our Raft never looks at the wall clock. etcd orders leases by one and ends them by
// the other, so that only both together show it anything (etcd 3.4, lease/lessor.go).
std::vector<std::uint64_t> clocks_of(std::string_view target) {
  return target == "raft" ? std::vector<std::uint64_t>{0, 1, 1} : std::vector<std::uint64_t>{1, 0, 1};
}

// The weights with which a question is always answered by this word.
std::vector<std::uint64_t> only(const Package& package, std::string_view name, std::string_view word) {
  std::vector<std::uint64_t> weights;
  for (const Question& question : package.questions) {
    if (question.name != name) continue;
    for (const Choice& choice : question.choices) weights.push_back(choice.word == word ? 1 : 0);
  }
  return weights;
}

Result<Nemesis> nemesis_of(const Settings& settings, const std::vector<std::string>& names, std::uint64_t seed) {
  NemesisOptions options{.seed = seed};
  options.drawing.clients = settings.number("concurrency");
  options.drawing.versions = 1 + settings.list("upgrade-to").size();
  for (const auto& [dotted, text] : settings.nemesis_parameters()) {
    const auto parts = split(dotted, '.');
    if (parts[1] == "mechanism") {
      // A file system that is shut down knows one way to lose what was not synced.
      if (text == "image")
        options.tastes["power"].try_emplace("disk", only(*find_package("power").value(), "disk", "lose_unsynced"));
    } else if (parts[1] == "interval") {
      options.intervals[parts[0]] = parse_duration(text).value();
    } else if (const auto package = find_package(parts[0])) {
      options.tastes[parts[0]][parts[1]] = only(*package.value(), parts[1], text);
    }
  }
  if (std::find(names.begin(), names.end(), "clock") != names.end()) {
    options.tastes["clock"].try_emplace("clock", clocks_of(settings.text("target")));
    if (settings.text("reads") == "lease") options.drawing.drift = settings.share("max-clock-drift");
  }
  return make_nemesis(names, options);
}

// Drawn from the seed, or as the schedule has them.
Result<Nemesis> faults_of(const Settings& settings, const Setup& setup, const Schedule* schedule) {
  if (schedule == nullptr) return nemesis_of(settings, setup.nemesis, setup.seed);
  HasHappened happened;
  if (setup.events) happened = [events = setup.events](std::uint64_t decision) { return events->when(decision); };
  auto performed = replay(*schedule, std::move(happened));
  if (!performed) return performed.error();
  return Nemesis{.faults = std::move(performed).value(), .heal = Invocation{"heal-all", {}, {}}};
}

std::shared_ptr<live::EventBoard> board_of(const Schedule& schedule) {
  auto board = std::make_shared<live::EventBoard>(schedule);
  return board->watched().empty() ? nullptr : board;
}

// Refuses events that the target cannot tell of, before anything starts.
Result<void> refuse_unseen(const Settings& settings, const Schedule& schedule, const live::EventBoard& events,
                           Console& console) {
  std::error_code ignored;
  const auto target = make_target(settings, std::filesystem::temp_directory_path(ignored), &schedule, console);
  if (!target) return target.error();
  live::EventPort* const port = target.value()->events();
  for (const auto& [decision, trigger] : events.watched()) {
    const Result<void> can =
        port != nullptr ? port->can_watch(trigger)
                        : Error::bad_input("this target tells of no events", "let the decision wait for a time");
    if (can) continue;
    return Error::bad_input(fmt::format("decision {} waits in vain: {}", decision, can.error().message),
                            can.error().remedy);
  }
  return {};
}

Result<Setup> prepare(Settings& settings, const Schedule* schedule, Console& console) {
  if (settings.flag("keep-going") && !settings.flag("online")) {
    return Error::bad_input("--keep-going says what to do with what --online finds", "add --online, or leave it out");
  }
  Setup setup{.utc = utc_text(), .utc_in_path = utc_compact()};
  setup.seed = settings.given("seed") ? settings.number("seed") : random_seed();
  settings.set("seed", std::to_string(setup.seed));
  if (auto settled = settle_target(settings); !settled) return settled.error();
  auto names = schedule == nullptr ? requested_faults(settings, console)
                                   : Result<std::vector<std::string>>(packages_of(*schedule));
  if (!names) return names.error();
  setup.nemesis = names.value();
  settings.set("nemesis", setup.nemesis.empty() ? "none" : join(setup.nemesis, ","));
  auto workload = make_workload(settings.text("workload"), {.seed = setup.seed,
                                                            .keys = settings.number("keys"),
                                                            .rate = settings.rate("rate"),
                                                            .readers = settings.number("concurrency") / 3,
                                                            .ttl = settings.duration("ttl")});
  if (!workload) return workload.error();
  setup.workload = std::move(workload).value();
  if (schedule != nullptr) setup.events = board_of(*schedule);
  if (setup.events) {
    if (auto seen = refuse_unseen(settings, *schedule, *setup.events, console); !seen) return seen.error();
  }
  auto nemesis = faults_of(settings, setup, schedule);
  if (!nemesis) return nemesis.error();
  setup.faults = std::move(nemesis).value();
  return setup;
}

void heal_dead_runs(Console& console) {
  const auto healed = live::heal_leftovers(live::remote::heal_node);
  if (!healed) return console.note(healed.error().to_string());
  for (const std::string& line : healed.value().done) console.note("left behind by a dead run: " + line);
  for (const std::string& line : healed.value().remaining) console.error("left behind by a dead run: " + line);
}

// What a package draws has many forms; some of them show whether the target can take all of them, a part, or none. Those it cannot take
// fail in the run, and are shown so.
Result<void> refuse_package(live::Target& target, const std::string& name, Console& console) {
  constexpr int draws = 50;
  const auto package = find_package(name);
  if (!package) return {};
  Rng rng(0);
  int refused = 0;
  std::optional<Error> reason;
  for (int drawn = 0; drawn < draws; ++drawn) {
    const auto supported = target.faults().supports(package.value()->draw({}, rng));
    if (supported) continue;
    ++refused;
    reason = supported.error();
  }
  if (!reason) return {};
  const std::string text = fmt::format("--nemesis {}: {}", name, reason->message);
  if (refused == draws) return Error::environment(text, reason->remedy);
  console.note(fmt::format("{} ({} of {} such faults)", text, refused, draws));
  return {};
}

// Refuses before the run what the target cannot take; never skips a fault silently.
Result<void> refuse_impossible(live::Target& target, const std::vector<std::string>& nemesis, Console& console) {
  const auto unavailable = target.unavailable_faults();
  for (const std::string& name : nemesis) {
    const auto package = find_package(name);
    const std::string kind(package ? package.value()->kind : std::string_view(name));
    if (const auto found = unavailable.find(kind); found != unavailable.end()) {
      return Error::environment(fmt::format("the fault '{}' cannot be used here: {}", name, found->second),
                                "choose others with --nemesis; `faultline doctor` says what works");
    }
    if (auto possible = refuse_package(target, name, console); !possible) return possible;
  }
  return {};
}

class LiveRun {
 public:
  LiveRun(const Settings& settings, Setup& setup, live::Target& target, const RunDirectory& directory, Console& console,
          ProgressFile& progress)
      : settings_(settings),
        setup_(setup),
        target_(target),
        directory_(directory),
        console_(console),
        progress_(progress) {}

  // The history as far as it goes; the failure says what cut it short.
  Result<RunResult> go() {
    console_.phase("setup");
    if (auto ready = target_.set_up(); !ready) return ready.error();
    if (auto possible = refuse_impossible(target_, setup_.nemesis, console_); !possible) return possible.error();
    auto world = live::LiveWorld::open(target_, {.concurrency = settings_.number("concurrency"),
                                                 .operation_limit = settings_.duration("operation-timeout") * 3,
                                                 .events = setup_.events});
    if (!world) return world.error();
    if (auto noted = write_run_clock(directory_.path(), run_clock(world.value()->now())); !noted) return noted.error();
    auto journal = Journal::open(directory_.file("history.jsonl").string());
    if (!journal) return journal.error();
    live::LiveWorld& live = *world.value();
    if (settings_.flag("online")) {
      auto watch = OnlineWatch::start(setup_.workload.info.model, {.memory_limit = memory_limit() / 4});
      if (!watch) return watch.error();
      watch_ = std::move(watch).value();
    }
    if (setup_.events) {
      if (auto watched = target_.events()->watch(setup_.events); !watched) return watched.error();
    }
    RunResult result = run(plan(), live, options(live, journal.value()));
    for (const std::uint64_t missed : setup_.events ? setup_.events->missed() : std::vector<std::uint64_t>())
      console_.note(fmt::format("decision {} was not performed: what it waits for did not happen", missed));
    if (auto flushed = journal.value().flush(live.now()); !flushed && !result.failure) result.failure = flushed.error();
    if (lost_) result.failure = lost_;
    if (watch_) {
      online_ = watch_->stop();
      if (told_ > 0 && !settings_.flag("keep-going")) online_->stopped = result.main_ended;
    }
    return result;
  }

  // Of a run that was watched.
  [[nodiscard]] const std::optional<OnlineInfo>& online() const { return online_; }

 private:
  [[nodiscard]] std::uint64_t memory_limit() const {
    return settings_.optional_size("memory-limit").value_or(default_memory_limit());
  }

  Plan plan() {
    Plan plan{.main = setup_.nemesis.empty() ? on_clients(setup_.workload.clients)
                                             : by_role(setup_.workload.clients, setup_.faults.faults)};
    if (!setup_.nemesis.empty()) plan.heal = setup_.faults.heal;
    plan.final = setup_.workload.final_reads;
    return plan;
  }

  RunOptions options(live::LiveWorld& world, Journal& journal) {
    RunOptions options{.concurrency = static_cast<Worker>(settings_.number("concurrency")),
                       .seed = setup_.seed,
                       .time_limit = settings_.duration("time-limit"),
                       .operation_timeout = settings_.duration("operation-timeout")};
    options.drain_limit = options.operation_timeout * 3 + std::chrono::seconds(1);
    options.on_phase = [this](Phase phase) {
      // Nobody performs decisions any more: nothing need wait for them.
      if (phase != Phase::main && setup_.events) setup_.events->close();
      console_.phase(to_string(phase));
      progress_.phase(to_string(phase));
    };
    options.on_event = [this, &world, &journal](const Event& event) {
      completed_ += event.process >= 0 && event.type != EventType::invoke;
      if (event.process < 0) console_.log(fmt::format("{} {}", event.f, event.value.to_string()));
      console_.progress(fmt::format("{} / {}  {} operations", to_text(world.now().time_since_epoch()),
                                    settings_.text("time-limit"), completed_));
      progress_.record(event);
      if (watch_) watch_->record(event, world.now());
      return journal.append(event, world.now());
    };
    // Also the place that is polled while nothing completes: what was recorded reaches the disk within a second even then.
    options.stop = [this, &world, &journal, before = interrupts()] {
      if (!journal.flush_if_due(world.now())) return Stop::finish;  // go() names the failure, by flushing once more
      progress_.tick(world.now(), watch_ ? std::optional(watch_->violations()) : std::nullopt);
      const int now = interrupts() - before;
      if (now > 0) return now == 1 ? Stop::finish : Stop::abandon;
      if (!lost_) lost_ = target_.lost();
      if (lost_) return Stop::abandon;  // healing what is left is done by the teardown
      return ask_watch(world.now());
    };
    return options;
  }

  Stop ask_watch(Instant now) {
    if (!watch_) return Stop::no;
    watch_->tick(now);
    const bool goes_on = settings_.flag("keep-going");
    for (; told_ < watch_->violations() && (goes_on || told_ == 0); ++told_) {
      const OnlineFinding found = watch_->violation(told_);
      const bool worded = found.key.is_string() || found.key.is_keyword();
      const std::string key = escape_controls(worded ? std::string(found.key.as_text()) : found.key.to_string());
      console_.note(fmt::format("violation found at {}: no order explains {}events up to {} ({}); {}",
                                to_text(found.found.time_since_epoch()),
                                found.key.is_null() ? "" : "key " + key + "'s ", found.event,
                                to_text(found.time.time_since_epoch()), goes_on ? "going on" : "stopping"));
    }
    return told_ == 0 || goes_on ? Stop::no : Stop::settle;
  }

  const Settings& settings_;
  Setup& setup_;
  live::Target& target_;
  const RunDirectory& directory_;
  Console& console_;
  ProgressFile& progress_;
  std::uint64_t completed_ = 0;
  std::unique_ptr<OnlineWatch> watch_;
  std::size_t told_ = 0;       // violations of the watch
  std::optional<Error> lost_;  // a machine
  std::optional<OnlineInfo> online_;
};

std::string in_one_sentence(const Error& error) {
  return error.remedy.empty() ? error.message : error.message + "; " + error.remedy;
}

int finish(const RunDirectory& directory, ReportInput& input, const std::optional<Certificate>& certificate,
           const Settings& settings, Console& console) {
  describe_tool(input);
  if (auto written = write_run_files(directory.path(), input, certificate); !written) {
    console.error(written.error().to_string());
    print_result(input, console);
    return 3;
  }
  print_result(input, console);
  if (settings.flag("open")) open_in_browser(directory.file("report.html").string(), console);
  return exit_code(input);
}

int run_live(Settings settings, const Schedule* schedule, Console& console) {
  auto prepared = prepare(settings, schedule, console);
  if (!prepared) return fail(prepared.error(), console);
  Setup& setup = prepared.value();
  heal_dead_runs(console);
  const std::string name =
      fmt::format("{}{}{}", settings.text("workload"), setup.nemesis.empty() ? "" : "-", join(setup.nemesis, "-"));
  auto created = RunDirectory::create(settings.text("out"), name, setup.utc_in_path);
  if (!created) return fail(created.error(), console);
  const RunDirectory& directory = created.value();
  console.note(fmt::format("seed {}  {}", setup.seed, directory.path().string()));
  if (auto written = write_file(directory.file("run.toml"), settings.to_toml()); !written)
    return fail(written.error(), console);

  const auto made = make_target(settings, directory.path(), schedule, console);
  if (!made) return fail(made.error(), console);
  live::Target& target = *made.value();
  set_leftovers_notice(
      "faultline: left at once; daemons and namespaces of this run may remain: `faultline doctor --heal` removes "
      "them\n");
  ProgressFile progress(directory.path(), settings);
  LiveRun live(settings, setup, target, directory, console, progress);
  auto ran = live.go();
  const auto versions = target.describe();
  console.phase("tear down");
  progress.phase("tear down");
  if (auto down = target.tear_down(); !down) console.error(down.error().to_string());
  set_leftovers_notice("");

  const History nothing;
  const History& history = ran ? ran.value().history : nothing;
  ReportInput input{.history = &history, .source = directory.file("history.jsonl").string(), .utc = setup.utc};
  input.run = run_info(directory.path(), settings, history, versions);
  input.online = live.online();
  if (!ran || ran.value().failure) {
    const Error& error = ran ? *ran.value().failure : ran.error();
    input.ending = Ending::harness_failure;
    input.failure = in_one_sentence(error);
  }
  return judge_run(directory, input, settings, console, &progress);
}

}  // namespace

int run_command(Settings settings, Console& console) {
  if (!settings.given("schedule")) return run_live(std::move(settings), nullptr, console);
  if (settings.given("endpoints")) {
    return fail(Error::bad_input("--schedule cannot be used with --endpoints: faultline neither started these nodes "
                                 "nor controls their network",
                                 "leave --schedule out, or let faultline start the cluster"),
                console);
  }
  Nodes nodes;
  const std::uint64_t known = settings.given("inventory") ? 0 : settings.number("nodes");
  for (std::uint64_t n = 1; n <= known; ++n) nodes.push_back(fmt::format("n{}", n));
  const auto schedule = read_schedule(settings.text("schedule"), nodes);
  if (!schedule) return fail(schedule.error(), console);
  if (settings.given("nemesis") && settings.list("nemesis") != packages_of(schedule.value())) {
    return fail(Error::bad_input(fmt::format("--nemesis {} beside --schedule, which has all the faults of a run",
                                             settings.text("nemesis")),
                                 "leave one of them out"),
                console);
  }
  // A configuration that is read elsewhere later still means this file.
  std::error_code ignored;
  settings.set("schedule", std::filesystem::absolute(settings.text("schedule"), ignored).string());
  return run_live(std::move(settings), &schedule.value(), console);
}

int run_schedule(Settings settings, const Schedule& schedule, Console& console) {
  return run_live(std::move(settings), &schedule, console);
}

int judge_run(const RunDirectory& directory, ReportInput& input, const Settings& settings, Console& console,
              ProgressFile* progress) {
  const bool broke = input.ending == Ending::harness_failure;
  const bool abandoned = interrupts() > 1;
  const bool was_interrupted = interrupts() > 0 || input.ending == Ending::interrupted;
  const auto schedule = to_json(to_value(schedule_from_history(*input.history, settings.number("seed")))) + "\n";
  if (auto written = write_file(directory.file("schedule.json"), schedule); !written)
    console.error(written.error().to_string());
  if (!broke) {
    input.vacuous = vacuous(*input.history, input.run->nemesis);
    input.ending = Ending::not_checked_yet;
    describe_tool(input);
    if (auto written = write_run_files(directory.path(), input, std::nullopt); !written)
      return fail(written.error(), console);
    if (abandoned) {
      input.ending = Ending::interrupted;
      return finish(directory, input, std::nullopt, settings, console);
    }
  }
  Limits limits = limits_of(settings, "check-time-limit", Stopwatch());
  if (progress != nullptr) {
    progress->phase("check");
    limits.on_progress = [progress](const CheckProgress& now) { progress->checked(now); };
  }
  auto judged = judge(*input.history, model_of(settings.text("workload")), {}, limits, true, console);
  if (!judged) {
    if (!broke) input.failure = in_one_sentence(judged.error());
    input.ending = Ending::harness_failure;
    return finish(directory, input, std::nullopt, settings, console);
  }
  input.verdict = std::move(judged.value().verdict);
  input.certificate_verified = judged.value().certificate_verified;
  input.time_limit = limits.time;
  input.memory_limit = limits.memory;
  if (!broke) input.ending = was_interrupted || interrupts() > 0 ? Ending::interrupted : Ending::judged;
  if (input.online) {
    if (std::string defect = disagreement(*input.online, *input.verdict); !defect.empty()) {
      console.error(defect);
      input.ending = Ending::harness_failure;
      input.failure = std::move(defect);
    } else if (!input.online->violations.empty() && input.verdict->kind != VerdictKind::invalid) {
      console.note(
          "the online check proved a violation that the check after the run could not confirm within its limits");
    }
  }
  return finish(directory, input, judged.value().certificate, settings, console);
}

}  // namespace faultline::cli
