// faultline shrink RUN --faults: fewer and simpler faults under which a live run still fails in the same way.
//
// A candidate is a run of its own, in a process of its own, with the recorded configuration and the candidate's schedule. Live runs are
// not repeatable: the schedule as it was recorded is run first, several times, and the rate at which it fails says how often a candidate
// is run before it counts as one that passes. One failure is a proof, whatever the rate: a candidate that fails once is taken, and its
// run is kept.
#include <faultline/shrink_schedule.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <signal.h>

#include <algorithm>
#include <cmath>

#include "commands.hpp"
#include "files.hpp"
#include "night/plan.hpp"
#include "night_process.hpp"
#include "run_directory.hpp"
#include "schedule_file.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// What verdict.json or the output of a run calls its anomalies, each once.
std::vector<std::string> classes_in(std::string_view text) {
  std::vector<std::string> classes;
  const Json verdict = Json::parse(text, nullptr, false);
  if (!verdict.is_object() || !verdict.contains("anomalies") || !verdict["anomalies"].is_array()) return classes;
  for (const Json& anomaly : verdict["anomalies"]) {
    if (!anomaly.is_object() || !anomaly.contains("class") || !anomaly["class"].is_string()) continue;
    auto name = anomaly["class"].get<std::string>();
    if (std::find(classes.begin(), classes.end(), name) == classes.end()) classes.push_back(std::move(name));
  }
  return classes;
}

// Who leads is another node in every run: a fault that was for the leader is for the leader again, not for the node that led then.
Schedule as_meant(Schedule schedule) {
  for (Decision& decision : schedule.decisions) {
    Fault& fault = decision.fault;
    const Value leader("primaries");
    if (fault.parameters.get("shape") != leader && fault.parameters.get("target") != leader) continue;
    fault.nodes.clear();
    fault.grudge.clear();
  }
  return schedule;
}

class LiveShrinking {
 public:
  LiveShrinking(const Settings& settings, Console& console)
      : settings_(settings), console_(console), interrupts_(interrupts()) {}

  int go() {
    auto directory = RunDirectory::open(settings_.arguments()[0]);
    if (!directory) return fail(directory.error(), console_);
    folder_ = directory.value().path();
    auto run = Settings::from_file(*find_verb("run"), directory.value().file("run.toml").string());
    if (!run) return fail(run.error(), console_);
    auto schedule = read_schedule(directory.value().file("schedule.json"), {});
    if (!schedule) return fail(schedule.error(), console_);
    const auto verdict = read_file(directory.value().file("verdict.json"));
    if (!verdict) return fail(verdict.error(), console_);
    classes_ = classes_in(verdict.value());
    if (classes_.empty()) {
      console_.result("The run does not fail. Nothing to shrink.\n");
      return 0;
    }
    run_.emplace(std::move(run).value());
    limit_ = settings_.given("time-limit") ? settings_.duration("time-limit") : std::chrono::minutes(10);
    const int code = shrink({.schedule = as_meant(std::move(schedule).value()), .sizes = {}, .nodes = {}});
    std::error_code ignored;
    fs::remove_all(folder_ / "candidate", ignored);
    return code;
  }

 private:
  // How often a schedule that fails at rate `r` is run until it would have failed with a likelihood of 19 in 20.
  static std::size_t attempts_for(double r) {
    constexpr std::size_t most = 6;
    if (r >= 1) return 1;
    return std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(std::log(0.05) / std::log(1 - r))), 1, most);
  }

  int shrink(const Scenario& start) {
    constexpr std::size_t measured = 3;
    console_.phase("shrink", fmt::format("{}  {} decisions", join(classes_, ", "), start.schedule.decisions.size()));
    while (runs_ < measured && !over()) failed_ += fails_once(start.schedule) ? 1 : 0;
    measured_ = runs_;
    if (failure_) return fail(*failure_, console_);
    if (failed_ == 0) return tell_that_it_passes();
    attempts_ = attempts_for(static_cast<double>(failed_) / static_cast<double>(measured_));
    const ShrinkOutcome outcome =
        shrink_schedule(start, [this](const Scenario& candidate) { return fails(candidate.schedule); },
                        {.candidates = settings_.number("candidates"), .stop = [this] { return over(); }});
    if (failure_) return fail(*failure_, console_);
    return tell(outcome);
  }

  bool over() const { return failure_ || interrupts() > interrupts_ || watch_.elapsed() > limit_; }

  bool fails(const Schedule& schedule) {
    for (std::size_t i = 0; i < attempts_ && !over(); ++i) {
      if (fails_once(schedule)) return true;
    }
    return false;
  }

  // Runs it; a run that fails is moved to `shrunk` in the run directory.
  bool fails_once(const Schedule& schedule) {
    console_.progress(fmt::format("{} runs  {} decisions", runs_, schedule.decisions.size()));
    const fs::path folder = folder_ / "candidate";
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    fs::create_directories(folder, ignored);
    if (auto written = write_candidate(schedule, folder); !written) {
      failure_ = written.error();
      return false;
    }
    const int code = run(folder);
    ++runs_;
    const auto printed = read_file(folder / "printed.json");
    if (!printed) return false;
    if (code == 64 || code == 3) ++broken_;
    const Json seen = Json::parse(printed.value(), nullptr, false);
    const auto classes = classes_in(printed.value());
    const bool same = code == 1 && std::any_of(classes.begin(), classes.end(), [&](const std::string& c) {
                        return std::find(classes_.begin(), classes_.end(), c) != classes_.end();
                      });
    if (!same || !seen.contains("run") || !seen["run"].is_string()) return false;
    fs::remove_all(folder_ / "shrunk", ignored);
    fs::rename(seen["run"].get<std::string>(), folder_ / "shrunk", ignored);
    return true;
  }

  Result<void> write_candidate(const Schedule& schedule, const fs::path& folder) {
    if (auto written = write_file(folder / "schedule.json", to_json(to_value(schedule)) + "\n"); !written)
      return written;
    return write_file(folder / "run.toml", configuration(schedule, folder / "schedule.json", folder / "runs"));
  }

  std::string configuration(const Schedule& schedule, const fs::path& file, const fs::path& out) const {
    Settings own = *run_;
    std::error_code ignored;
    const auto packages = packages_of(schedule);
    own.set("nemesis", packages.empty() ? "none" : join(packages, ","));
    own.set("schedule", fs::absolute(file, ignored).string());
    own.set("out", out.string());
    return own.to_toml();
  }

  // Its exit code. A run that is no longer wanted ends in order, as by Ctrl-C.
  int run(const fs::path& folder) {
    auto child = Child::start({.program = own_program(),
                               .words = {"run", (folder / "run.toml").string(), "--json", "--quiet"},
                               .path_first = "",
                               .out = folder / "printed.json",
                               .err = folder / "said.txt"});
    if (!child) {
      failure_ = child.error();
      return 3;
    }
    constexpr Duration patience = std::chrono::seconds(30);
    std::optional<Duration> asked;
    for (;;) {
      if (const auto end = child.value().ended()) return asked ? 130 : end->exit_code;
      if (!asked && over()) {
        child.value().signal(SIGTERM);
        asked = watch_.elapsed();
      }
      if (asked && watch_.elapsed() > *asked + patience) return 130;
      wait_for_any({&child.value()}, std::chrono::milliseconds(500));
    }
  }

  int tell_that_it_passes() {
    const std::string text =
        fmt::format("the same faults did not make it fail again in {} run{}{}", measured_, measured_ == 1 ? "" : "s",
                    broken_ > 0 ? fmt::format(", {} of which could not be finished", broken_) : "");
    if (console_.json()) {
      const Json object{{"schema", 1},   {"verdict", "unknown"},  {"exit_code", 2},   {"reason", text},
                        {"runs", runs_}, {"measured", measured_}, {"failed", failed_}};
      console_.result(object.dump(2) + "\n");
    } else {
      console_.result(text + "\nNothing was shrunk.\n");
    }
    return interrupts() > interrupts_ ? 130 : 2;
  }

  int tell(const ShrinkOutcome& outcome) {
    const Schedule& schedule = outcome.scenario.schedule;
    const fs::path shrunk = folder_ / "shrunk";
    const fs::path file = shrunk / "schedule.json", toml = shrunk / "run.toml";
    // What is kept is what was asked for, not how the run at hand resolved it.
    if (auto written = write_file(file, to_json(to_value(schedule)) + "\n"); !written)
      return fail(written.error(), console_);
    if (auto written = write_file(toml, configuration(schedule, file, run_->text("out"))); !written)
      return fail(written.error(), console_);
    const std::string repro = "faultline run " + shell_word(toml.string());
    if (console_.json()) {
      const Json object{{"schema", 1},
                        {"verdict", "invalid"},
                        {"exit_code", 1},
                        {"run", shrunk.string()},
                        {"decisions", schedule.decisions.size()},
                        {"removed", outcome.removed},
                        {"runs", runs_},
                        {"measured", measured_},
                        {"failed", failed_},
                        {"kinds", packages_of(schedule)},
                        {"one_minimal", outcome.minimal},
                        {"repro", repro}};
      console_.result(object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    } else {
      console_.result(
          fmt::format("{}\nas recorded it failed in {} of {} runs; a smaller one counts as passing after {}\n"
                      "kept:   {}\nrepro:  {}\n",
                      outcome.text, failed_, measured_, attempts_, shrunk.string(), repro));
    }
    return interrupts() > interrupts_ ? 130 : 1;
  }

  const Settings& settings_;
  Console& console_;
  int interrupts_;
  fs::path folder_;
  std::optional<Settings> run_;
  std::vector<std::string> classes_;  // of the failure that was recorded
  Duration limit_{};
  Stopwatch watch_;
  std::size_t runs_ = 0, measured_ = 0, failed_ = 0, broken_ = 0, attempts_ = 1;
  std::optional<Error> failure_;
};

}  // namespace

int shrink_live(const Settings& settings, Console& console) { return LiveShrinking(settings, console).go(); }

}  // namespace faultline::cli
